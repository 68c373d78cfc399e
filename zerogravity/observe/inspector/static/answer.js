// The client's conversation, and the answer as it grows.

import { get } from "./api.js";
import { bytes, empty, fill, h, whole } from "./dom.js";

/** One thinking, text, call, result or blob. `grow` changes it in place, so that text can be selected while it comes. */
class Item {
  constructor(item, folded) {
    this.kind = item.kind;
    this.text = h("pre", {});
    this.title = h("span", {});
    const body = [this.text];
    if (item.result !== undefined) body.push(h("div", { class: "label" }, "result"), h("pre", {}, item.result));
    const fold = folded && (item.kind === "thinking" || item.role === "system");
    this.node = h("details", { class: `item ${item.kind} ${item.role ?? "answer"}`, open: !fold },
      h("summary", { onclick: () => { this.touched = true; } }, item.role && h("b", {}, item.role), this.title), body);
    this.grow(item);
  }

  grow(item) {
    const text = item.kind === "call" ? item.arguments ?? "" : item.kind === "media" ? `${item.mime} · ${item.uri ?? bytes(item.size)}` : item.text;
    const node = this.text.firstChild;
    const old = node?.data ?? "";
    if (text !== old) {
      if (old && text.startsWith(old)) node.appendData(text.slice(old.length));
      else this.text.textContent = text;
    }
    const words = [item.kind === "call" ? [h("b", {}, item.name), item.call_id && h("code", { class: "dim" }, item.call_id)] : item.name ?? item.kind];
    if (item.kind === "result") words.push(" · result without its call");
    if (item.kind === "thinking") words.push(h("span", { class: "dim" }, `${whole(text.length)} characters`));
    if (item.signed) words.push(h("span", { class: "dim" }, "signed"));
    if (item.cut) words.push(h("span", { class: "dim" }, `${whole(item.cut)} more characters`));
    fill(this.title, words);
  }
}

/** The items of an answer, kept in step with it. */
class Items {
  constructor(folded = false) {
    this.node = h("div", { class: "items" });
    this.folded = folded;
    this.items = [];
  }

  update(items) {
    items.forEach((item, n) => {
      if (this.items[n]?.kind === item.kind) return this.items[n].grow(item);
      const made = new Item(item, this.folded);
      if (this.items[n]) this.items[n].node.replaceWith(made.node); else this.node.append(made.node);
      this.items[n] = made;
    });
    for (const item of this.items.splice(items.length)) item.node.remove();
    // Thinking is open as long as it is the newest thing there is.
    if (this.folded) this.items.forEach((item, n) => { if (item.kind === "thinking" && !item.touched) item.node.open = n === items.length - 1; });
  }
}

function failure(details) {
  const { failure: fault } = details;
  if (!fault) return [];
  return h("div", { class: "fault" }, h("b", {}, `${fault.code} · ${fault.status}${fault.google && ` · Google: ${fault.google}`}`), h("pre", {}, fault.message), fault.remedy && h("p", {}, fault.remedy),
    h("div", { class: "dim" }, `origin: ${fault.origin}`, fault.param && ` · parameter ${fault.param}`,
      fault.retry_after !== null && ` · retry after ${fault.retry_after} s`));
}

/** Keep the end in sight if it was in sight. */
function following(box, work) {
  const end = box.scrollTop + box.clientHeight >= box.scrollHeight - 40 && box.scrollTop > 0;
  work();
  if (end) box.scrollTop = box.scrollHeight;
}

export class Answer {
  constructor(box) {
    this.box = box;
    this.thinking = new Items();
    this.output = new Items();
    this.end = h("div");
    fill(box, h("div", { class: "two" },
      h("section", {}, h("h2", {}, "thinking"), this.thinking.node),
      h("section", {}, h("h2", {}, "text and calls"), this.output.node, this.end)));
  }

  update(details) {
    following(this.box, () => {
      const thoughts = details.items.filter((item) => item.kind === "thinking");
      const output = details.items.filter((item) => item.kind !== "thinking");
      this.thinking.update(thoughts);
      this.output.update(output);
      fill(this.end, failure(details), !output.length && !details.failure && empty(details.closed ? "No text." : "No text yet."));
      this.box.querySelector("section").hidden = !thoughts.length;
    });
  }
}

export class Conversation {
  constructor(box, id, failed) {
    this.box = box;
    this.id = id;
    this.failed = failed;
    this.request = h("div", { class: "items" });
    this.more = h("button", { type: "button", hidden: true, onclick: () => this.load() });
    this.answer = new Items(true);
    this.end = h("div");
    this.from = 0;
    fill(box, this.request, this.more, h("h2", {}, "answer"), this.answer.node, this.end);
    this.load();
  }

  async load() {
    try {
      const { total, rows } = await get("turns", this.id, "conversation", { from: this.from });
      for (const row of rows) this.request.append(new Item(row, true).node);
      this.from += rows.length;
      this.more.hidden = this.from >= total;
      this.more.textContent = `${whole(total - this.from)} more parts`;
    } catch (error) { this.failed(error); }
  }

  update(details) {
    following(this.box, () => {
      this.answer.update(details.items);
      fill(this.end, failure(details), !details.items.length && !details.failure && empty("Nothing yet."));
    });
  }
}
