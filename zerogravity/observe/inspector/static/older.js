// What is not in the page yet: older turns, what a search finds, sessions. Asked of the server page by page.

import { Refused, get, recorded } from "./api.js";

const LIMIT = 100, SETTLED = 250, REFRESH = 2000;

/** Pages of turns and sessions for the text in the search box. `remark(text)`: what went wrong; `said(text)`: what was
 *  found. */
export class Older {
  constructor(store, remark, said) {
    this.store = store;
    this.remark = remark;
    this.said = said;
    this.text = "";
    this.reset();
    store.listeners.add(() => this.follow());
  }

  reset() {
    this.turns = { before: null, more: true, busy: false };
    this.sessions = { before: null, more: true, busy: false };
    this.abort?.abort();
    this.abort = new AbortController();
  }

  /** Another text: what the server still does for the one before is cancelled. */
  search(text) {
    clearTimeout(this.waiting);
    this.text = text.trim();
    this.reset();
    this.seen = this.store.version;
    if (this.text && this.store.recorded) this.turns.busy = this.sessions.busy = true;
    this.waiting = setTimeout(() => {
      this.turns.busy = this.sessions.busy = false;
      if (this.text && this.store.recorded) this.next("turns");
      if (this.store.mode === "sessions") this.next("sessions");
    }, this.text ? SETTLED : 0);
  }

  /** Whether the list that is shown goes on. */
  get more() { return !recorded && (this.store.mode === "sessions" || this.store.recorded) && this[this.store.mode].more; }

  get busy() { return this[this.store.mode].busy; }

  /** The next page of "turns" or "sessions". */
  async next(kind = this.store.mode) {
    const at = this[kind], { text } = this;
    if (at.busy || !at.more || recorded) return;
    at.busy = true;
    try {
      const before = at.before ?? (kind === "turns" && !text ? this.oldest() : null);
      const page = await get(kind, { limit: kind === "turns" ? LIMIT : 50, ...(text || before === null ? { q: text } : {}),
        ...(before !== null && { before }), signal: this.abort.signal });
      at.busy = false;
      at.more = page.more;
      if (kind === "turns") this.takeTurns(page, at, text); else this.takeSessions(page, at);
    } catch (error) {
      if (error.name === "AbortError") return;
      at.busy = at.more = false;
      this.remark(error instanceof Refused ? error.message : `Older turns cannot be read: ${error.message}`);
      this.store.tell();
    }
  }

  /** When the oldest turn began that is in the list. */
  oldest() { return this.store.listed.at(-1)?.created ?? null; }

  takeTurns({ turns, more }, at, text) {
    at.before = turns.at(-1)?.created ?? at.before;
    if (text) this.store.merge(turns.map((turn) => [turn.id, turn.snippet ?? null]));
    this.store.add(turns, !text);
    if (text) this.said(`${this.store.shown.length}${more ? " or more" : ""} turns found`);
  }

  takeSessions({ sessions }, at) {
    const first = at.before === null;
    for (const session of sessions) this.store.sessions.set(session.session, session);
    this.store.order = [...new Set([...first ? [] : this.store.order, ...sessions.map(({ session }) => session)])];
    at.before = sessions.at(-1)?.ended ?? at.before;
    this.store.arrange();
  }

  /** The turns of a session that are only on disk. */
  async turnsOf(session) {
    if (recorded || !this.store.recorded) return;
    try {
      const { turns } = await get("turns", { q: `session:${session}`, limit: 1000 });
      this.store.add(turns, false);
    } catch (error) { this.remark(error.message); }
  }

  /** Figures of sessions grow with their turns: asked again when something has changed, not more often than needed. */
  follow() {
    const { store } = this;
    const wanted = !recorded && (store.mode === "sessions" || store.session !== null) && this.seen !== store.version;
    if (!wanted || this.refreshing) return;
    this.refreshing = true;
    this.seen = store.version;
    const wait = Math.max(0, (this.asked ?? -REFRESH) + REFRESH - performance.now());
    setTimeout(async () => {
      this.asked = performance.now();
      try {
        const { sessions, more } = await get("sessions", { q: this.text, limit: 50 });
        const known = new Set(store.order), fresh = sessions.map(({ session }) => session).filter((session) => !known.has(session));
        for (const session of sessions) store.sessions.set(session.session, session);
        if (this.sessions.before === null) Object.assign(this.sessions, { before: sessions.at(-1)?.ended ?? null, more });
        store.order = [...fresh, ...store.order];
        this.refreshing = false;
        store.arrange();
      } catch { this.refreshing = false; }
    }, wait);
  }
}
