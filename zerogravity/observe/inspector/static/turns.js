// The list of turns: one row each, live.

import { bytes, clock, fill, h, ms, seconds, short, since } from "./dom.js";
import { VirtualList } from "./virtual.js";

const ROW = 46;

const OVER = new Set(["done", "failed", "no result came"]);
const CUT = new Set(["length", "filtered"]);  // ends that are no failures, and not what was wanted

/** State of a turn → the class that colours it. */
export function tone(turn) {
  if (turn.failed) return turn.code === "cancelled" || turn.code === "client_gone" ? "muted" : "bad";
  if (turn.state === "done") return CUT.has(turn.code) ? "cut" : "good";
  return { stalled: "bad", thinking: "thinking", text: "text", "tool wait": "call", "no result came": "cut" }[turn.state] ?? "wait";
}

/** What a turn is doing and since when, or how it ended. */
export function badge(turn) {
  const words = turn.failed || (turn.closed && turn.state === "done") ? `${turn.code} ${turn.google.split(" ")[0]}`.trim() : turn.state;
  const running = !OVER.has(turn.state);
  return h("span", { class: `badge ${tone(turn)}` }, h("i", { class: running ? "dot running" : "dot" }), words,
    running && [" ", since(turn.since)]);
}

export class TurnList {
  constructor(box, store, count) {
    this.box = box;
    this.store = store;
    this.count = count;
    this.none = h("p", { class: "empty" });
    box.append(this.none);
    this.list = new VirtualList(box, {
      height: ROW,
      draw: (n) => this.row(store.shown[n]),
      key: (n) => `${store.shown[n].id} ${store.shown[n].version} ${store.shown[n].id === store.chosen}`,
    });
    box.addEventListener("click", (event) => {
      const row = event.target.closest("[data-id]");
      if (row) store.choose(row.dataset.id);
    });
    store.listeners.add(() => this.update());
  }

  update() {
    const { shown, turns, chosen } = this.store;
    this.none.hidden = shown.length > 0;
    this.none.textContent = turns.size ? "No turn matches the filter." : "No turns yet. They appear here as agents send requests.";
    this.count.textContent = shown.length === turns.size ? `${turns.size} turns` : `${shown.length} of ${turns.size} turns`;
    this.list.set(shown.length);
    if (chosen !== this.revealed) {
      this.revealed = chosen;
      const at = shown.findIndex((turn) => turn.id === chosen);
      if (at >= 0) this.list.reveal(at);
    }
  }

  row(turn) {
    const { usage } = turn;
    const chosen = turn.id === this.store.chosen;
    const out = usage.candidates + usage.thoughts;
    return h("div", { class: chosen ? "row chosen" : "row", role: "option", "aria-selected": String(chosen), data: { id: turn.id } },
      h("div", { class: "line" }, badge(turn), h("span", { class: "grow model" }, turn.model),
        h("span", { class: "num", title: "first text or call · total" },
          turn.first_ms === null ? "" : h("span", { class: "dim" }, `${ms(turn.first_ms)} · `),
          turn.closed ? ms(turn.total_ms) : since(turn.began))),
      h("div", { class: "line dim" }, h("span", { class: "num" }, clock(turn.created)), h("span", { class: "surface" }, turn.surface),
        turn.conversation ? h("span", { class: "num", title: `only conversation ${turn.conversation}`,
          data: { conversation: turn.conversation } }, turn.conversation.slice(0, 6)) : null,
        h("span", { class: "grow" }, turn.label || "–"),
        turn.tools.length ? h("span", { class: "tools" }, turn.tools.slice(0, 2).join(", ") + (turn.tools.length > 2 ? " …" : "")) : null,
        usage.total ? h("span", { class: "num", title: "tokens in → out" }, `${short(usage.prompt)}→${short(out)}`) : null));
  }
}

/** " (since 14:02:11, 3 times)" of what is broken. */
const lasting = ({ ok, since: from, last_failure: failure }) => (ok || !from ? ""
  : ` (since ${new Date(from).toLocaleTimeString()}${failure?.times > 1 ? `, ${failure.times} times` : ""})`);

/** Broken, works with a warning, works. */
const verdict = (check) => (check.ok ? (check.fix ? "warn" : "good") : "bad");

/** The state of a hop, since when, what to do, and its last failure. */
function history(check) {
  const { text, fix, last_failure: failure } = check;
  const when = (at) => new Date(at).toLocaleTimeString();
  return [
    text + lasting(check),
    fix && `what to do: ${fix}`,
    failure && `last failure at ${when(failure.at)}${failure.times > 1 ? `, ${failure.times} times` : ""}: ${failure.text}`,
  ].filter(Boolean).join("\n");
}

const CONNECTION = { live: "good", recorded: "" };

/** The strip at the top: the connection of this page, then the health of the gateway. */
export function health(box, state, connection) {
  const chip = (name, value, kind = "") => h("span", { class: `chip ${kind}` }, name && h("span", { class: "dim" }, `${name} `), value);
  const { line, checks, ...rest } = state;
  const ready = typeof line === "string" ? line.startsWith("ready") : rest.ready;
  delete rest.ready;
  fill(box,
    h("span", { class: `chip ${CONNECTION[connection] ?? "bad"}` }, h("i", { class: "dot" }), connection),
    line && h("span", { class: `chip summary ${ready ? "good" : "bad"}`, title: line }, h("i", { class: "dot" }),
      checks ? (ready ? "ready" : "not ready") : line),
    (checks ?? []).map((check) => h("span", { class: `chip ${verdict(check)}`, title: history(check) },
      h("i", { class: "dot" }), check.name)),
    Object.entries(rest).map(([name, value]) => chip(name.replaceAll("_", " "),
      typeof value === "number" ? (name.endsWith("_ms") ? seconds(value) : name.endsWith("bytes") ? bytes(value) : short(value)) : String(value))),
    (checks ?? []).filter((check) => check.fix).map((check) => h("p", { class: `hop ${verdict(check)}` },
      h("b", {}, check.name), ` ${check.text}${lasting(check)} `, h("span", { class: "fix" }, check.fix))));
}
