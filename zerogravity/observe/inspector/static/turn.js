// The chosen turn: its head, its waterfall, and one of the panes. Fetches what is in sight, at most once a second.

import { actions } from "./actions.js";
import { Gone, get } from "./api.js";
import { Answer } from "./answer.js";
import { badge } from "./badge.js";
import { Bodies } from "./bodies.js";
import { Conversation } from "./conversation.js";
import { PRICE, empty, fill, h, ms, price, since } from "./dom.js";
import { Events, Raw } from "./events.js";
import { Notes, Tools, Usage } from "./facts.js";
import { waterfall } from "./waterfall.js";

const PANES = [["Conversation", Conversation], ["Answer", Answer], ["Tools", Tools], ["Usage", Usage],
  ["Events", Events], ["Raw", Raw], ["Bodies", Bodies], ["Notes", Notes]];
const EVERY = 1000;
const GONE = "This turn is no longer in memory, and not on disk.";

export class TurnView {
  constructor(box, store) {
    this.box = box;
    this.store = store;
    this.id = null;
    this.pane = null;
    this.paneName = "Conversation";
    this.head = h("div", { class: "head" });
    this.falls = h("div", { class: "waterfall" });
    this.tabs = h("div", { class: "tabs", role: "tablist", "aria-label": "panes", onkeydown: (event) => this.tabKey(event) },
      PANES.map(([name], n) => h("button", { type: "button", role: "tab", id: `tab-${name}`, title: `key ${n + 1}`,
        "aria-controls": "pane", data: { pane: name }, onclick: () => this.open(name) }, name)));
    this.body = h("div", { class: "pane", id: "pane", role: "tabpanel", tabindex: "-1" });
    this.welcome();
    store.listeners.add(() => this.update());
  }

  welcome() {
    fill(this.box, empty(this.store.turns.size ? "Select a turn." : "Waiting for the first turn."));
  }

  update() {
    const { chosen, turn } = this.store;
    if (this.store.session !== null) return this.yield();
    if (chosen !== this.id) {
      this.id = chosen;
      this.details = null;
      this.pane?.close?.();
      this.pane = null;
      this.version = null;
      if (!turn) return chosen ? this.seek(chosen) : this.welcome();
      fill(this.falls);
      fill(this.box, this.head, this.falls, this.tabs, this.body);
      this.open(this.paneName);
    }
    if (!turn) return this.id ? !this.gone && this.leave(GONE) : this.welcome();
    this.gone = false;
    if (this.version !== `${turn.id} ${turn.version}`) {
      this.version = `${turn.id} ${turn.version}`;
      this.heading(turn);
      this.fetch();
    }
  }

  /** The right side belongs to a session for now. */
  yield() {
    this.pane?.close?.();
    this.id = this.pane = null;
  }

  /** A turn that is not in the list: a link leads to it. */
  async seek(id) {
    fill(this.box, empty("Looking for the turn …"));
    this.gone = true;  // until it is found
    try {
      const row = await get("turns", id);
      if (id !== this.store.chosen) return;
      this.id = null;
      this.store.add([row], false);
    } catch (error) {
      if (id === this.store.chosen) this.leave(error instanceof Gone ? GONE : error.message);
    }
  }

  leave(text) {
    this.gone = true;
    this.pane = null;
    fill(this.box, empty(text));
  }

  heading(turn) {
    const bar = actions(turn);
    if (bar.parentNode !== this.head) fill(this.head, bar);
    while (this.head.firstChild !== bar) this.head.firstChild.remove();  // the bar stays, and with it the focus
    bar.before(...[h("button", { type: "button", class: "back", "aria-label": "back to the list" }, "‹"),
      badge(turn), h("b", {}, turn.model), turn.target !== turn.model && h("span", { class: "dim" }, turn.target),
      h("span", { class: "surface" }, [turn.client, turn.surface, !turn.stream && "not streamed"].filter(Boolean).join(" · ")),
      turn.conversation && h("button", { type: "button", class: "word", title: "only turns of this conversation",
        data: { conversation: turn.conversation } }, turn.conversation.slice(0, 8)),
      h("span", { class: "num" }, turn.closed ? ms(turn.total_ms) : since(turn.began)),
      price(turn) && h("span", { class: "num dim price", title: PRICE }, price(turn)),
      h("code", { class: "grow dim", title: "id of the turn" }, turn.id)].filter(Boolean));
  }

  open(name) {
    this.paneName = name;
    for (const tab of this.tabs.children) {
      tab.setAttribute("aria-selected", String(tab.dataset.pane === name));
      tab.tabIndex = tab.dataset.pane === name ? 0 : -1;
      if (tab.dataset.pane === name) tab.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
    this.body.setAttribute("aria-labelledby", `tab-${name}`);
    this.pane?.close?.();
    const Pane = PANES.find(([other]) => other === name)[1];
    fill(this.body);
    this.pane = new Pane(this.body, this.id, (error) => this.failed(error));
    if (this.details && this.store.turn) this.pane.update(this.details, this.store.turn);
    this.onopen?.(name);
  }

  /** Arrows go from tab to tab, as in every list of tabs. */
  tabKey(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.stopPropagation();
    const at = PANES.findIndex(([name]) => name === this.paneName), to = (at + by + PANES.length) % PANES.length;
    this.open(PANES[to][0]);
    this.tabs.children[to].focus();
  }

  /** Pane `n`, counted from 0. */
  openNumber(n) { if (this.pane && PANES[n]) this.open(PANES[n][0]); }

  /** Another turn is fetched at once. */
  async fetch() {
    if (this.busy === this.id) { this.again = true; return; }
    const id = this.busy = this.id;
    this.again = false;
    try {
      const details = await get("turns", id);
      if (id === this.id && this.pane) {
        this.details = details;
        waterfall(this.falls, details);
        this.pane.update(details, this.store.turn ?? details);
      }
    } catch (error) {
      if (id === this.id) this.failed(error);
    } finally {
      setTimeout(() => {
        if (this.busy !== id) return;
        this.busy = null;
        if (this.again && this.store.turn) this.fetch();
      }, EVERY);
    }
  }

  failed(error) {
    if (error instanceof Gone) { if (!this.store.turn || this.store.turn.stored) this.leave(GONE); return; }
    this.body.querySelector(".trouble")?.remove();
    this.body.prepend(h("p", { class: "trouble" }, String(error.message)));
  }
}
