// All turns that the page knows, what is shown of them, and what is chosen. Knows no elements.

import { parse } from "./query.js";
import { snippet } from "./texts.js";
import { lines } from "./tree.js";

const byTime = (a, b) => b.created - a.created || b.received_ms - a.received_ms;
const MOST = 20000;  // rows that are kept

export class Store {
  constructor() {
    this.turns = new Map();     // id → row: those in memory, and those that have been read from disk
    this.listed = [];           // newest first: without those that only a search, a session or a link has brought
    this.sessions = new Map();  // id → its figures
    this.order = [];            // ids of the sessions to list
    this.open = new Set();      // sessions whose turns are listed
    this.mode = "turns";
    this.shown = [];            // rows of turns; in mode "sessions" {session} or {turn, depth}
    this.chosen = null;         // turn id
    this.session = null;        // session id
    this.health = {};
    this.recorded = false;      // turns that leave memory stay on disk
    this.version = 0;
    this.listeners = new Set();
    this.query = parse("");
    this.found = null;          // turn id → snippet: what the server's search has found
  }

  /** One message of the live stream. */
  take({ all, turns, gone, complete = true, health, recorded = this.recorded }) {
    this.recorded = recorded;
    if (all) this.stale = new Set([...this.turns.values()].filter((turn) => !turn.stored).map((turn) => turn.id));
    for (const turn of turns) { this.stale?.delete(turn.id); this.put(turn, true); }
    for (const id of gone) this.leave(id);
    if (complete) { for (const id of this.stale ?? []) this.leave(id); this.stale = null; }
    this.health = health;
    this.arrange();
  }

  /** Rows from elsewhere. `listed`: they go on where the list ends. */
  add(rows, listed) {
    for (const row of rows) {
      const known = this.turns.get(row.id);
      if (known && !known.stored) continue;
      this.put(row, listed || Boolean(known?.listed));
    }
    this.arrange();
  }

  put(turn, listed) {
    const known = this.turns.get(turn.id), now = performance.now();
    Object.assign(turn, { since: now - turn.state_ms, began: now - turn.total_ms, version: ++this.version, listed, seen: undefined });
    if (known) { this.moved ||= listed && !known.listed; Object.assign(known, turn); return; }
    this.turns.set(turn.id, turn);
    this.moved ||= listed;
  }

  /** It has left the server's memory. */
  leave(id) {
    const turn = this.turns.get(id);
    if (turn && this.recorded && turn.closed) { turn.stored = true; return; }
    if (this.turns.delete(id)) this.moved = true;
  }

  search(text) {
    this.text = text;
    this.query = parse(text);
    this.found = null;
    this.arrange();
  }

  /** What the server has found of the same text: `snippets` by turn. */
  merge(snippets) {
    this.found = new Map([...this.found ?? [], ...snippets]);
    this.arrange();
  }

  /** {part, text} where the search has found the turn; null: by its row. */
  snippet(turn) { return this.found?.get(turn.id) ?? snippet(turn.id, this.query.words); }

  setMode(mode) { this.mode = mode; this.arrange(); }

  toggle(session, open = !this.open.has(session)) {
    if (open) this.open.add(session); else this.open.delete(session);
    this.arrange();
  }

  choose(id) {
    if (id === this.chosen && !this.session) return;
    this.chosen = id;
    this.session = null;
    this.tell();
  }

  chooseSession(id) {
    this.session = id;
    this.chosen = null;
    this.tell();
  }

  /** Where the chosen turn or session stands, or -1. */
  get at() {
    if (this.mode === "turns") return this.shown.findIndex((turn) => turn.id === this.chosen);
    return this.shown.findIndex((line) => (line.turn ? line.turn.id === this.chosen : line.session === this.session));
  }

  /** Choose what stands `by` places further down the list. */
  move(by) {
    if (!this.shown.length) return;
    const at = this.at, to = at < 0 ? 0 : Math.min(this.shown.length - 1, Math.max(0, at + by)), line = this.shown[to];
    if (line.session !== undefined && this.mode === "sessions" && !line.turn) this.chooseSession(line.session);
    else this.choose((line.turn ?? line).id);
  }

  get turn() { return this.turns.get(this.chosen) ?? null; }

  /** The turns of a session that are known here, oldest first. */
  of(session) { return [...this.turns.values()].filter((turn) => turn.session === session).sort((a, b) => byTime(b, a)); }

  matches(turn) { return this.found?.has(turn.id) || (turn.listed && this.query.matches(turn)); }

  arrange() {
    if (this.moved) {
      this.listed = [...this.turns.values()].filter((turn) => turn.listed).sort(byTime);
      for (const turn of this.listed.splice(MOST)) if (turn.stored) this.turns.delete(turn.id);
      this.moved = false;
    }
    if (this.mode === "sessions") this.shown = lines(this);
    else if (this.query.empty) this.shown = this.listed;
    else this.shown = [...this.turns.values()].filter((turn) => this.matches(turn)).sort(byTime);
    this.tell();
  }

  tell() { for (const listener of this.listeners) listener(this); }
}
