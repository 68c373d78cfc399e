// The search box: rows of the page at once, the server's answer as it comes, proposals while one types.

import { add, fill, h } from "./dom.js";
import { proposals } from "./query.js";

export class Search {
  constructor({ input, hints, remark }, store, older) {
    Object.assign(this, { input, hints, note: remark, store, older, at: -1, listed: [] });
    input.addEventListener("input", () => { this.set(); this.propose(); });
    input.addEventListener("focus", () => this.propose());
    input.addEventListener("click", () => this.hints.hidden && this.propose());
    input.addEventListener("blur", () => this.close());
    hints.addEventListener("pointerdown", (event) => {
      const row = event.target.closest("[role=option]");
      event.preventDefault();  // the box keeps the focus
      if (row) this.complete(Number(row.dataset.n));
    });
  }

  /** The box's text, or another one, is searched for. */
  set(text = this.input.value) {
    if (this.input.value !== text) this.input.value = text;
    this.store.search(text);
    this.older.search(text);
    this.remark(this.store.query.problem);
  }

  clear() { this.set(""); this.close(); }

  /** What is wrong with the query, or nothing. */
  remark(text) {
    this.note.hidden = !text;
    this.note.textContent = text;
    this.input.setAttribute("aria-invalid", String(Boolean(text)));
  }

  propose() {
    if (document.activeElement !== this.input) return;
    this.listed = proposals(this.input.value, this.store.turns.values());
    this.at = -1;
    fill(this.hints, this.listed.map(({ term, about }, n) =>
      h("div", { role: "option", id: `hint-${n}`, "aria-selected": "false", data: { n } }, h("code", {}, term), h("span", { class: "dim" }, about))));
    this.hints.hidden = !this.listed.length;
    this.input.setAttribute("aria-expanded", String(!this.hints.hidden));
    this.input.removeAttribute("aria-activedescendant");
  }

  close() {
    this.hints.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  light(by) {
    this.at = (this.at + by + this.listed.length + (this.at < 0 && by < 0 ? 1 : 0)) % this.listed.length;
    for (const [n, row] of [...this.hints.children].entries()) {
      row.setAttribute("aria-selected", String(n === this.at));
      if (n === this.at) row.scrollIntoView({ block: "nearest" });
    }
    this.input.setAttribute("aria-activedescendant", `hint-${this.at}`);
  }

  complete(n) {
    const { value } = this.input, [last] = /[^\s-]*$/.exec(value);
    this.input.value = value.slice(0, value.length - last.length) + this.listed[n].term;
    this.set();
    this.propose();
  }

  /** A key in the box; whether it meant something here. */
  key(name) {
    if (this.hints.hidden) return false;
    if (name === "ArrowDown" || name === "ArrowUp") this.light(name === "ArrowDown" ? 1 : -1);
    else if (name === "Enter" && this.at >= 0) this.complete(this.at);
    else if (name === "Escape") this.close();
    else return false;
    return true;
  }
}

/** `text` with the words marked; what stands before the first of them and the rest apart: a row cuts either on its own. */
export function marked(text, words) {
  const line = text.replace(/\s+/g, " "), lower = line.toLowerCase(), rest = h("span", { class: "rest" });
  const next = (from) => words.map((word) => [lower.indexOf(word, from), word]).filter(([at]) => at >= 0).sort(([a], [b]) => a - b)[0];
  let from = next(0)?.[0] ?? 0;
  const before = line.slice(0, from);
  for (let found = next(from); found; found = next(from)) {
    const [at, word] = found, end = at + word.length;
    add(rest, line.slice(from, at), h("mark", {}, line.slice(at, end)));
    from = end;
  }
  return [before && h("span", { class: "before" }, h("bdi", {}, before)), add(rest, line.slice(from))];
}
