// A session: its figures in words, and the right side of the page when one is chosen.

import { badge, label } from "./badge.js";
import { PRICE, TOKENS, empty, fill, h, ms, percent, price, seconds, sent, short, tokens } from "./dom.js";
import { tree } from "./tree.js";

const plural = (count, word) => `${count} ${word}${count === 1 ? "" : word.endsWith("ch") ? "es" : "s"}`;

/** Turns, errors, branches, tokens in with the share of the cache → out, price, time. */
export function figures(about) {
  const cached = about.cached ? h("span", { class: "cached" }, ` (${percent(about.cached, about.prompt)} cached)`) : null;
  return [
    plural(about.turns, "turn"),
    about.errors ? h("span", { class: "bad" }, plural(about.errors, "error")) : null,
    about.branches ? plural(about.branches, "branch") : null,
    [short(about.prompt), cached, `→${short(about.out + about.thoughts)}`],
    price(about),
    seconds(about.ms),
  ].filter(Boolean).map((words) => h("span", {}, words));
}

export class SessionView {
  constructor(box, store, older) {
    this.box = box;
    this.store = store;
    this.older = older;
    this.id = null;
    box.addEventListener("click", (event) => {
      const row = event.target.closest(".session-turn");
      if (row) store.choose(row.dataset.turn);
    });
    store.listeners.add(() => this.update());
  }

  update() {
    const id = this.store.session;
    if (id === null) { this.id = null; return; }
    if (id !== this.id) { this.id = id; this.key = null; this.older.turnsOf(id); }
    const about = this.store.sessions.get(id), turns = this.store.of(id);
    const key = `${JSON.stringify(about)} ${turns.map((turn) => `${turn.id}${turn.version}`)}`;
    if (key === this.key) return;
    this.key = key;
    if (!about && !turns.length) { fill(this.box, empty("This session is neither in memory nor on disk.")); return; }
    fill(this.box, about && this.head(about),
      h("ol", { class: "session-turns", "aria-label": "turns of the session" }, tree(turns).map(({ turn, depth }) => this.row(turn, depth))));
  }

  head(about) {
    const fact = (name, value, title) => value && [h("dt", {}, name), h("dd", { title }, value)];
    return h("div", { class: "session-head" },
      h("div", { class: "head" }, h("button", { type: "button", class: "back", "aria-label": "back to the list" }, "‹"),
        h("b", {}, about.client || "session"), h("span", { class: "grow" }, about.title), h("code", { class: "dim" }, about.session)),
      h("dl", { class: "figures" },
        fact("turns", plural(about.turns, "turn") + (about.branches ? `, ${plural(about.branches, "branch")}` : "")),
        fact("tokens in", `${short(about.prompt)}, ${percent(about.cached, about.prompt)} from the cache`),
        fact("tokens out", `${short(about.out)} and ${short(about.thoughts)} of thinking`),
        fact("price", price(about), PRICE),
        fact("errors", about.errors ? h("span", { class: "bad" }, String(about.errors)) : "none"),
        fact("turns ran for", seconds(about.ms)),
        fact("from", `${new Date(about.started * 1000).toLocaleString()} to ${new Date(about.ended * 1000).toLocaleTimeString()}`),
        fact("models", about.models.join(", "))));
  }

  /** A turn with what is new in it: what was said or came back from a tool, and what it called. */
  row(turn, depth) {
    const { usage } = turn, fresh = Math.max(0, sent(usage) - (usage.cached ?? 0));
    return h("li", { class: depth ? `depth-${Math.min(depth, 4)}` : null },
      h("button", { type: "button", class: "session-turn", data: { turn: turn.id } },
        badge(turn), h("span", { class: "grow" }, label(turn)),
        turn.tools.length ? h("span", { class: "tools" }, turn.tools.slice(0, 4).join(", ") + (turn.tools.length > 4 ? " …" : "")) : null,
        usage.total ? h("span", { class: "num dim", title: `those that did not come from the cache, of ${TOKENS}` }, tokens(usage, `+${short(fresh)}`)) : null,
        price(turn) && h("span", { class: "num dim price", title: PRICE }, price(turn)),
        h("span", { class: "num dim" }, ms(turn.total_ms))));
  }
}
