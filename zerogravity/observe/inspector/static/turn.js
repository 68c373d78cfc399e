// The chosen turn: its head, its waterfall, and one of the panes. Fetches what is in sight, at most once a second.

import { actions } from "./actions.js";
import { Gone, get } from "./api.js";
import { Answer } from "./answer.js";
import { Bodies } from "./bodies.js";
import { Conversation } from "./conversation.js";
import { empty, fill, h, ms, since } from "./dom.js";
import { Events, Raw } from "./events.js";
import { Notes, Tools, Usage } from "./facts.js";
import { badge } from "./turns.js";
import { waterfall } from "./waterfall.js";

const PANES = [["Conversation", Conversation], ["Answer", Answer], ["Tools", Tools], ["Usage", Usage],
  ["Events", Events], ["Raw", Raw], ["Bodies", Bodies], ["Notes", Notes]];
const EVERY = 1000;

export class TurnView {
  constructor(box, store) {
    this.box = box;
    this.store = store;
    this.id = null;
    this.pane = null;
    this.paneName = "Conversation";
    this.head = h("div", { class: "head" });
    this.falls = h("div", { class: "waterfall" });
    this.tabs = h("nav", { role: "tablist" }, PANES.map(([name], n) =>
      h("button", { type: "button", role: "tab", title: `${n + 1}`, data: { pane: name }, onclick: () => this.open(name) }, name)));
    this.body = h("div", { class: "pane", tabindex: "-1" });
    this.welcome();
    store.listeners.add(() => this.update());
  }

  welcome() {
    fill(this.box, empty(this.store.turns.size ? "Select a turn." : "Waiting for the first turn."));
  }

  update() {
    const { chosen, turn } = this.store;
    if (chosen !== this.id) {
      this.id = chosen;
      this.details = null;
      this.pane?.close?.();
      this.pane = null;
      if (!turn) return this.welcome();
      fill(this.falls);
      fill(this.box, this.head, this.falls, this.tabs, this.body);
      this.open(this.paneName);
    }
    if (!turn) return this.id ? !this.gone && this.leave("This turn is no longer in memory.") : this.welcome();
    this.gone = false;
    if (this.version !== `${turn.id} ${turn.version}`) {
      this.version = `${turn.id} ${turn.version}`;
      this.heading(turn);
      this.fetch();
    }
  }

  leave(text) {
    this.gone = true;
    this.pane = null;
    fill(this.box, empty(text));
  }

  heading(turn) {
    fill(this.head,
      badge(turn), h("b", {}, turn.model), turn.target !== turn.model && h("span", { class: "dim" }, turn.target),
      h("span", { class: "surface" }, turn.surface + (turn.stream ? "" : " · not streamed")),
      h("span", { class: "num" }, turn.closed ? ms(turn.total_ms) : since(turn.began)),
      h("code", { class: "grow dim", title: "id of the turn" }, turn.id), actions(turn));
  }

  open(name) {
    this.paneName = name;
    for (const tab of this.tabs.children) tab.setAttribute("aria-selected", String(tab.dataset.pane === name));
    this.pane?.close?.();
    const Pane = PANES.find(([other]) => other === name)[1];
    fill(this.body);
    this.pane = new Pane(this.body, this.id, (error) => this.failed(error));
    if (this.details && this.store.turn) this.pane.update(this.details, this.store.turn);
    this.onopen?.(name);
  }

  /** Pane `by` places further on. */
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
    if (error instanceof Gone) { if (!this.store.turn) this.leave("This turn is no longer in memory."); return; }
    this.body.querySelector(".trouble")?.remove();
    this.body.prepend(h("p", { class: "trouble" }, String(error.message)));
  }
}
