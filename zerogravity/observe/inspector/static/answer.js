// The answer as it grows: its items, in one column or in two.

import { draw, result, toggle } from "./blocks.js";
import { add, bytes, empty, fill, h, whole } from "./dom.js";
import { follow } from "./follow.js";

const growing = (item) => (item.kind === "media" ? `${item.mime} · ${bytes(item.size)}` : item.text ?? "");

/** What stands in the title of a part: its kind or its name, and what there is to say of it. */
export function title(item) {
  const dim = (text) => h("span", { class: "dim" }, text);
  return [item.kind === "call" ? [h("b", {}, item.name), item.call_id && h("code", { class: "dim" }, item.call_id)] : item.name ?? item.kind,
    item.server && dim("run by the gateway"), item.kind === "thinking" && dim(`${whole(item.size ?? item.text.length)} characters`),
    item.signed && dim("signed"), item.cut ? dim(`${whole(item.cut)} more characters`) : null];
}

/** One thinking, text, call or blob. It grows in place, so that text can be selected while it comes; when it is whole it
 *  is drawn from its blocks. */
class Item {
  constructor(item) {
    this.kind = item.kind;
    this.call = item.call_id;
    this.text = "";
    this.title = h("span", {});
    this.body = h("div", { class: "body" });
    this.node = h("details", { class: `item ${item.kind} answer`, open: true },
      h("summary", { onclick: () => { this.touched = true; } }, this.title), this.body);
    this.grow(item);
  }

  /** Whether it is the item that it was: what a failed round has brought gives its place to another. */
  is(item) {
    const { text } = item, same = text === undefined || item.at > 0 || text.startsWith(this.text) || this.text.startsWith(text);
    return this.kind === item.kind && this.call === item.call_id && same;
  }

  grow(item) {
    if (item.result && !this.returned) this.node.append(this.returned = result(item.result));
    if (this.drawn) return;
    if (item.blocks) {
      this.drawn = true;
      this.text = item.text ?? "";
      fill(this.body, draw(item.blocks));
    } else this.write(growing(item));
    fill(this.title, title({ ...item, text: this.text }));
  }

  /** What is fetched may be behind what came live. */
  write(text) {
    if (this.text.startsWith(text) && this.text !== text) return;
    this.put(text.startsWith(this.text) ? this.text.length : 0, text);
  }

  put(from, text) {
    const pre = this.body.firstChild ?? this.body.appendChild(h("pre"));
    const node = pre.firstChild ?? pre.appendChild(document.createTextNode(""));
    const rest = text.slice(from);
    if (from === node.length) node.appendData(rest); else node.replaceData(from, node.length - from, rest);
    this.text = node.data;
  }

  /** A change that came live. One that does not fit is left to the next fetch. */
  patch({ at, text }) {
    if (this.drawn || at > this.text.length || text === undefined) return;
    this.put(at, this.text.slice(0, at) + text);
    if (this.kind === "thinking") fill(this.title, title({ kind: this.kind, text: this.text }));
  }
}

/** The items of an answer, kept in step with it. `wanted`: which of them. */
export class Items {
  constructor({ folded = false, wanted = () => true } = {}) {
    this.node = h("div", { class: "items" });
    this.folded = folded;
    this.wanted = wanted;
    this.items = new Map();
    this.total = 0;
  }

  get size() { return this.items.size; }

  /** The item at `n`. Where another one stood, it and all behind it are no part of the answer any more. */
  place(n, item) {
    const old = this.items.get(n), wanted = this.wanted(item);
    if (wanted && old?.is(item)) return old;
    if (old) this.cut(n);
    if (!wanted) return null;
    const made = new Item(item.at ? { ...item, text: "" } : item);
    this.node.append(made.node);
    this.items.set(n, made);
    return made;
  }

  cut(total) {
    for (const [n, { node }] of this.items) if (n >= total) { node.remove(); this.items.delete(n); }
  }

  /** What is fetched may be behind what came live, unless it is the `whole` answer. */
  update(items, whole) {
    items.forEach((item, n) => this.place(n, item)?.grow(item));
    if (whole) this.cut(items.length);
    this.fold(whole ? items.length : Math.max(this.total, items.length));
  }

  patch(changes, total) {
    for (const change of changes) {
      const item = this.place(change.n, change);
      if (change.at !== undefined) item?.patch(change); else item?.grow(change);
    }
    this.cut(total);
    this.fold(total);
  }

  /** Thinking is open as long as it is the newest thing there is. */
  fold(total) {
    this.total = total;
    if (this.folded) for (const [n, item] of this.items) if (item.kind === "thinking" && !item.touched) item.node.open = n === this.total - 1;
  }
}

export function failure({ failure: fault }) {
  if (!fault) return [];
  return h("div", { class: "fault", role: "alert" }, h("b", {}, `${fault.code} · ${fault.status}${fault.google && ` · Google: ${fault.google}`}`), h("pre", {}, fault.message), fault.remedy && h("p", {}, fault.remedy),
    h("div", { class: "dim" }, `origin: ${fault.origin}`, fault.param && ` · parameter ${fault.param}`,
      fault.retry_after !== null && ` · retry after ${fault.retry_after} s`));
}

/** Keeps the end of `box` in sight until one scrolls up from it, and again when one has come back. */
export class Sticky {
  constructor(box, { end = false } = {}) {
    this.box = box;
    this.end = end;
    this.top = 0;
    this.onscroll = () => {
      if (box.scrollTop + box.clientHeight >= box.scrollHeight - 40) this.end ||= box.scrollTop > 0;
      else if (box.scrollTop < this.top) this.end = false;
      this.top = box.scrollTop;
    };
    box.addEventListener("scroll", this.onscroll, { passive: true });
    this.watching = new ResizeObserver(() => this.follow());
  }

  watch(node) { this.watching.observe(node); return node; }
  follow() { if (this.end) this.box.scrollTop = this.box.scrollHeight; }

  close() {
    this.watching.disconnect();
    this.box.removeEventListener("scroll", this.onscroll);
  }
}

export class Answer {
  constructor(box, id) {
    this.id = id;
    this.thinking = new Items({ wanted: (item) => item.kind === "thinking" });
    this.output = new Items({ wanted: (item) => item.kind !== "thinking" });
    this.end = h("div");
    this.thoughts = h("section", { hidden: true }, h("h2", {}, "thinking"), this.thinking.node);
    this.sticky = new Sticky(box);
    add(box, h("div", { class: "toolbar" }, toggle()), this.sticky.watch(h("div", { class: "two" }, this.thoughts,
      h("section", {}, h("h2", {}, "text and calls"), this.output.node, this.end))));
  }

  update(details) {
    this.thinking.update(details.items, details.closed);
    this.output.update(details.items, details.closed);
    fill(this.end, failure(details), !this.output.size && !details.failure && empty(details.closed ? "No text." : "No text yet."));
    this.thoughts.hidden = !this.thinking.size;
    if (details.closed) this.live?.close();
    else this.live ??= follow(this.id, (changes, total) => this.patch(changes, total));
  }

  patch(changes, total) {
    this.thinking.patch(changes, total);
    this.output.patch(changes, total);
    if (this.output.size) this.end.querySelector(".empty")?.remove();
    this.thoughts.hidden = !this.thinking.size;
  }

  close() {
    this.live?.close();
    this.sticky.close();
  }
}
