// The client's conversation with its end in sight: what the turn before had already is one line, which opens page by page.

import { get } from "./api.js";
import { Items, Sticky, failure, title } from "./answer.js";
import { draw, result, toggle } from "./blocks.js";
import { empty, fill, h, whole } from "./dom.js";
import { follow } from "./follow.js";

const PAGE = 20;
const NAMED = { system: "system prompt" };

/** One part of the request; a call with its result. */
function part(row) {
  const fold = row.kind === "thinking" || row.role === "system";
  const words = row.kind === "text" ? [NAMED[row.role] ?? row.kind, fold && h("span", { class: "dim" }, `${whole(row.size)} characters`),
    row.cut ? h("span", { class: "dim" }, `${whole(row.cut)} more characters`) : null] : title(row);
  return h("details", { class: `item ${row.kind} ${row.role}`, open: !fold },
    h("summary", {}, h("b", {}, row.role), h("span", {}, words, row.kind === "result" && " · result without its call")),
    h("div", { class: "body" }, draw(row.blocks)),
    row.result && result(row.result));
}

export class Conversation {
  constructor(box, id, failed) {
    this.box = box;
    this.id = id;
    this.failed = failed;
    this.fold = h("button", { type: "button", class: "earlier", hidden: true, onclick: () => this.back() });
    this.news = h("h2", { class: "news", hidden: true }, "new in this turn");
    this.old = h("div", { class: "items old" });
    this.request = h("div", { class: "items" });
    this.answer = new Items({ folded: true });
    this.end = h("div", { role: "status" });
    this.sticky = new Sticky(box, { end: true });
    fill(box, h("div", { class: "toolbar" }, this.fold, toggle()),
      this.sticky.watch(h("div", {}, this.old, this.news, this.request, h("h2", {}, "answer"), this.answer.node, this.end)));
    this.load();
  }

  async load() {
    try {
      const page = await get("turns", this.id, "conversation", { from: -PAGE, limit: PAGE });
      this.from = page.from;
      this.known = page.earlier;
      fill(this.request, page.rows.map(part));
      this.news.hidden = !page.earlier;
      this.told();
    } catch (error) { this.failed(error); }
  }

  told() {
    this.fold.hidden = !this.from;
    this.fold.textContent = `… ${whole(this.from)} earlier`;
  }

  /** One page further back; what is in sight stays where it is. */
  async back() {
    if (this.busy || !this.from) return;
    this.busy = true;
    try {
      const above = Math.max(0, this.from - PAGE);
      const { rows } = await get("turns", this.id, "conversation", { from: above, limit: this.from - above });
      const recent = rows.filter((_, n) => above + n >= this.known);
      const bottom = this.box.scrollHeight - this.box.scrollTop;
      this.request.prepend(...recent.map(part));
      this.old.prepend(...rows.slice(0, rows.length - recent.length).map(part));
      this.from = above;
      this.told();
      this.sticky.end = false;
      this.box.scrollTop = this.box.scrollHeight - bottom;
    } catch (error) { this.failed(error); } finally { this.busy = false; }
  }

  update(details) {
    this.answer.update(details.items, details.closed);
    fill(this.end, failure(details), !this.answer.size && !details.failure && empty("Nothing yet."));
    if (details.closed) this.live?.close();
    else this.live ??= follow(this.id, (changes, total) => this.patch(changes, total));
  }

  patch(changes, total) {
    this.answer.patch(changes, total);
    if (this.answer.size) this.end.querySelector(".empty")?.remove();
  }

  close() {
    this.live?.close();
    this.sticky.close();
  }
}
