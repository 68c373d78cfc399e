// Two JSON texts → what changed between them, by structure: equal parts are folded, members keep their order.

import { h, whole } from "./dom.js";

const SHOWN = 600;      // characters of one value before it is cut
const PAIRS = 1000000;  // beyond that many comparisons arrays are compared place by place

/** A number as it was written: JavaScript's own would not be exact. */
class Exact {
  constructor(source) { this.source = source; }
  toJSON() { return this.source; }
}

export function parse(text) {
  return JSON.parse(text, (_, value, context) =>
    typeof value === "number" && context?.source && String(value) !== context.source ? new Exact(context.source) : value);
}

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value) && !(value instanceof Exact);
const isContainer = (value) => isObject(value) || Array.isArray(value);
const text = (value) => (value instanceof Exact ? value.source : JSON.stringify(value, null, 2));

/** Steps that make `after` out of `before`: [same | gone | new | changed, key, before, after, steps within]. */
export function compare(before, after) {
  const known = new WeakMap();
  const canon = (value) => {
    if (!isContainer(value)) return JSON.stringify(value);
    if (!known.has(value)) known.set(value, JSON.stringify(value));
    return known.get(value);
  };
  const pair = (key, a, b) => {
    if (canon(a) === canon(b)) return ["same", key, a, b, []];
    if (isObject(a) && isObject(b)) return ["changed", key, a, b, members(a, b)];
    if (Array.isArray(a) && Array.isArray(b)) return ["changed", key, a, b, entries(a, b)];
    return ["changed", key, a, b, null];
  };
  const members = (a, b) => [
    ...Object.keys(a).filter((key) => !Object.hasOwn(b, key)).map((key) => ["gone", key, a[key], undefined, []]),
    ...Object.keys(b).map((key) => (Object.hasOwn(a, key) ? pair(key, a[key], b[key]) : ["new", key, undefined, b[key], []])),
  ];
  const entries = (a, b) => {
    const steps = [];
    let gone = [], fresh = [];
    const flush = () => {  // what went and what came at the same place is one change
      while (gone.length && fresh.length) steps.push(pair(null, gone.shift(), fresh.shift()));
      for (const value of gone) steps.push(["gone", null, value, undefined, []]);
      for (const value of fresh) steps.push(["new", null, undefined, value, []]);
      gone = []; fresh = [];
    };
    for (const [i, j] of common(a.map(canon), b.map(canon))) {
      if (j === null) gone.push(a[i]);
      else if (i === null) fresh.push(b[j]);
      else { flush(); steps.push(["same", null, a[i], b[j], []]); }
    }
    flush();
    return steps;
  };
  return pair(null, before, after);
}

/** The longest common subsequence of two lists of strings, as [i, j] with null where one side has nothing. */
function common(a, b) {
  if (a.length * b.length > PAIRS) return a.map((_, i) => [i, null]).concat(b.map((_, j) => [null, j]));
  const width = b.length + 1, best = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      best[i * width + j] = a[i] === b[j] ? best[(i + 1) * width + j + 1] + 1 : Math.max(best[(i + 1) * width + j], best[i * width + j + 1]);
  const steps = [];
  let i = 0, j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) steps.push([i++, j++]);
    else if (j >= b.length || (i < a.length && best[(i + 1) * width + j] >= best[i * width + j + 1])) steps.push([i++, null]);
    else steps.push([null, j++]);
  }
  return steps;
}

// -- shown ----------------------------------------------------------------------------------------------------------

const name = (key) => (key === null ? null : h("span", { class: "key-name" }, `${JSON.stringify(key)}: `));
const some = (count, word, words) => `${count} ${count === 1 ? word : words}`;
const size = (value) => (Array.isArray(value) ? `[ ${some(value.length, "entry", "entries")} ]` : `{ ${some(Object.keys(value).length, "member", "members")} }`);

function value(of) {
  const all = text(of) ?? "";
  if (all.length <= SHOWN) return all;
  const node = h("span", {}, all.slice(0, SHOWN));
  const more = h("button", { type: "button", onclick: () => { node.textContent = all; more.remove(); } }, `… ${whole(all.length - SHOWN)} more characters`);
  return [node, more];
}

function line(kind, key, of) {
  return h("div", { class: `step ${kind}` }, h("span", { class: "sign" }, { gone: "−", new: "+" }[kind] ?? " "), h("span", {}, name(key), value(of)));
}

function unchanged(key, of) {
  if (!isContainer(of) && text(of).length < 120) return line("same", key, of);
  const fold = h("details", { class: "step same" }, h("summary", {}, name(key), isContainer(of) ? size(of) : "unchanged text"));
  fold.addEventListener("toggle", () => fold.childElementCount === 1 && fold.append(h("div", {}, value(of))));
  return fold;
}

function step([kind, key, before, after, within]) {
  if (kind === "same") return unchanged(key, before);
  if (kind === "gone") return line("gone", key, before);
  if (kind === "new") return line("new", key, after);
  if (within === null) return [line("gone", key, before), line("new", key, after)];
  const [open, close] = Array.isArray(after) ? ["[", "]"] : ["{", "}"];
  return [h("div", { class: "step" }, h("span", { class: "sign" }, " "), h("span", {}, name(key), open)),
    h("div", { class: "within" }, within.map(step)), h("div", { class: "step" }, h("span", { class: "sign" }, " "), close)];
}

/** An element that shows how `after` differs from `before`. */
export function difference(before, after) {
  let one, other;
  try { one = parse(before ?? "null"); other = parse(after ?? "null"); } catch { one = before; other = after; }
  const found = compare(one, other);
  if (found[0] === "same") return h("p", { class: "empty" }, "The same.");
  return h("div", { class: "diff" }, step(found));
}
