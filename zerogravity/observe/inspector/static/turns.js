// The list: turns, or sessions with their turns; one row each, live. At its end older ones are read from disk.

import { badge, label } from "./badge.js";
import { PRICE, TOKENS, day, h, ms, price, since, tokens } from "./dom.js";
import { marked } from "./search.js";
import { figures } from "./sessions.js";
import { VirtualList } from "./virtual.js";

const ROW = 46;

/** `onchoose`: a row has been clicked. */
export class TurnList {
  constructor(box, store, older, count, onchoose) {
    this.onchoose = onchoose;
    this.box = box;
    this.store = store;
    this.older = older;
    this.count = count;
    this.none = h("p", { class: "empty" });
    box.append(this.none);
    this.list = new VirtualList(box, { height: ROW, draw: (n) => this.draw(n), key: (n) => this.key(n) });
    box.addEventListener("click", (event) => this.click(event.target));
    store.listeners.add(() => this.update());
  }

  click(target) {
    const session = target.closest("[data-session]"), row = target.closest("[data-id]");
    if (target.closest(".twist")) this.twist(session.dataset.session);
    else if (session) { this.store.chooseSession(session.dataset.session); this.onchoose(); }
    else if (row) { this.store.choose(row.dataset.id); this.onchoose(); }
    else if (target.closest(".older")) this.older.next();
  }

  /** Open or close a session of the list. */
  twist(session, open) {
    this.store.toggle(session, open);
    if (this.store.open.has(session)) this.older.turnsOf(session);
  }

  key(n) {
    const line = this.store.shown[n];
    if (!line) return `older ${this.older.busy} ${this.older.more}`;
    if (line.session !== undefined && !line.turn && this.store.mode === "sessions") {
      const about = this.store.sessions.get(line.session);
      return `${line.session} ${about.turns} ${about.ended} ${this.store.open.has(line.session)} ${line.session === this.store.session}`;
    }
    const turn = line.turn ?? line;
    return `${turn.id} ${turn.version} ${turn.id === this.store.chosen} ${line.depth} ${this.store.snippet(turn)?.text} ${turn.stored}`;
  }

  draw(n) {
    const line = this.store.shown[n];
    const row = !line ? this.last() : this.store.mode === "sessions" && !line.turn ? this.session(line.session) : this.turn(line.turn ?? line, line.depth);
    row.setAttribute("aria-posinset", n + 1);
    row.setAttribute("aria-setsize", this.store.shown.length);
    return row;
  }

  update() {
    const { shown, listed, query, mode, chosen, session } = this.store, { older } = this;
    const all = mode === "turns", goesOn = older.more && (listed.length > 0 || !all || this.store.recorded);
    this.none.hidden = shown.length > 0 || goesOn;
    this.none.textContent = query.empty ? (all ? "No turns yet. They appear here as agents send requests." : "No sessions yet.")
      : `No ${all ? "turn" : "session"} matches the search.`;
    const plus = goesOn ? "+" : "";
    this.count.textContent = !all ? `${shown.filter((line) => !line.turn).length}${plus} sessions`
      : query.empty ? `${shown.length}${plus} turns` : `${shown.length}${plus} of ${listed.length} turns`;
    this.box.setAttribute("role", all ? "listbox" : "tree");
    this.box.setAttribute("aria-label", all ? "turns" : "sessions");
    this.list.set(shown.length + (goesOn ? 1 : 0));
    const key = session ?? chosen;
    if (key !== this.revealed) {
      this.revealed = key;
      if (this.store.at >= 0) this.list.reveal(this.store.at);
      if (key) this.box.setAttribute("aria-activedescendant", `row-${key}`); else this.box.removeAttribute("aria-activedescendant");
    }
    if (goesOn && !older.busy && this.list.rows.has(shown.length)) older.next();
  }

  props(id, chosen, depth, data) {
    const tree = this.store.mode === "sessions";
    return { id: `row-${id}`, class: `row${chosen ? " chosen" : ""}${depth ? ` depth-${Math.min(depth, 4)}` : ""}`,
      role: tree ? "treeitem" : "option", "aria-selected": String(chosen), "aria-level": tree ? (depth ?? 0) + 1 : null, data };
  }

  last() {
    return h("div", { class: "row older dim", role: this.store.mode === "sessions" ? "treeitem" : "option", "aria-selected": "false" },
      this.older.busy ? "reading older ones …" : "older …");
  }

  session(id) {
    const about = this.store.sessions.get(id), open = this.store.open.has(id);
    const row = h("div", this.props(id, id === this.store.session, 0, { session: id }),
      h("div", { class: "line" }, h("span", { class: "twist", title: open ? "close (←)" : "open (→)" }, open ? "▾" : "▸"),
        about.client && h("b", {}, about.client), h("span", { class: "grow" }, about.title || id),
        h("span", { class: "num dim", title: `last active ${new Date(about.ended * 1000).toLocaleString()}` }, day(about.ended))),
      h("div", { class: "line dim about" }, figures(about)));
    row.setAttribute("aria-expanded", String(open));
    return row;
  }

  turn(turn, depth = undefined) {
    const { usage } = turn, inside = depth !== undefined, snippet = this.store.snippet(turn);
    return h("div", this.props(turn.id, turn.id === this.store.chosen, inside ? depth + 1 : 0, { id: turn.id }),
      h("div", { class: "line" }, badge(turn), h("span", { class: "grow model" }, turn.model),
        turn.star && h("span", { class: "star", title: turn.note || "starred" }, "★"),
        h("span", { class: "num", title: "first text or call · total" },
          turn.first_ms === null || turn.first_ms === undefined ? "" : h("span", { class: "dim" }, `${ms(turn.first_ms)} · `),
          turn.closed ? ms(turn.total_ms) : since(turn.began))),
      h("div", { class: "line dim about" }, h("span", { class: "num", title: new Date(turn.created * 1000).toLocaleString() }, day(turn.created)),
        !inside && h("span", { class: "surface", title: turn.client ? turn.surface : null }, turn.client || turn.surface),
        h("span", { class: "grow words" }, snippet?.text && h("span", { class: "part" }, snippet.part),
          marked(snippet?.text || label(turn), this.store.query.words)),
        turn.tools.length && !snippet ? h("span", { class: "tools" }, turn.tools.slice(0, 2).join(", ") + (turn.tools.length > 2 ? " …" : "")) : null,
        usage.total ? h("span", { class: "num", title: TOKENS }, tokens(usage)) : null,
        price(turn) && h("span", { class: "num price", title: PRICE }, price(turn))));
  }
}
