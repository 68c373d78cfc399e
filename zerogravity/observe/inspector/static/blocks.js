// Blocks, as the server makes them of texts, arguments and results → elements. Classes and tags come from lists of our
// own; everything else is text.

import { add, bytes, fill, h, whole } from "./dom.js";

const FOLD = 20;  // lines of code and output that are shown at once
const TAGS = new Set(["p", "blockquote", "ul", "ol", "li", "em", "strong", "s", "table", "thead", "tbody", "tr", "th", "td",
  "br", "hr", "code", "pre", "span", "h3", "h4", "h5", "h6"]);
const NAMES = new Set(["c", "k", "t", "f", "v", "s", "n", "i", "d", "h", "dim"]);
const PICTURE = /^data:image\/(?:png|jpeg|gif|webp);base64,[\w+/=-]*$/;  // a long one is cut in an exported page

const known = (name) => (NAMES.has(name) ? name : null);
const span = ([name, text]) => (known(name) ? h("span", { class: name }, text) : text);

// -- markdown, on wish -----------------------------------------------------------------------------------------------

const KEY = "zerogravity.markdown";

/** Whether texts are rendered; kept over reloads where the browser keeps anything. */
export const markdown = {
  get on() { try { return localStorage.getItem(KEY) === "1"; } catch { return this.kept ?? false; } },
  set on(value) {
    this.kept = value;
    try { localStorage.setItem(KEY, value ? "1" : "0"); } catch { /* a page from a file may keep nothing */ }
    for (const node of document.querySelectorAll(".prose")) node.redraw();
    for (const node of document.querySelectorAll(".toggle")) node.setAttribute("aria-pressed", String(value));
  },
};

/** The switch. */
export const toggle = () => h("button", { type: "button", class: "toggle", "aria-pressed": String(markdown.on),
  title: "render markdown", onclick: () => { markdown.on = !markdown.on; } }, "markdown");

function rendered(node) {
  if (typeof node === "string") return node;
  const [named, ...children] = node, [tag, name] = named.split(".");
  return TAGS.has(tag) ? h(tag, { class: name && known(name) }, children.map(rendered)) : children.map(rendered);
}

function prose({ text, marked }) {
  const node = h("div");
  node.redraw = () => {
    const render = marked && markdown.on;
    node.className = render ? "prose marked" : "prose";
    fill(node, render ? marked.map(rendered) : h("pre", {}, text));
  };
  node.redraw();
  return node;
}

// -- code and output -------------------------------------------------------------------------------------------------

/** Where line `n` of the spans ends: [span, character], or null when there are fewer lines. */
function lineEnd(spans, n) {
  for (let i = 0, left = n; i < spans.length; i++) {
    for (let at = spans[i][1].indexOf("\n"); at >= 0; at = spans[i][1].indexOf("\n", at + 1)) if (--left === 0) return [i, at];
  }
  return null;
}

const lines = (spans) => spans.reduce((sum, [, text]) => sum + text.split("\n").length - 1, 1);

/** The first lines, and a button for the others. */
function code({ spans, label }) {
  const pre = h("pre", { class: "code" });
  const cut = lineEnd(spans, FOLD), hidden = cut ? lines(spans) - FOLD : 0;
  const head = label && h("div", { class: "label" }, label);
  if (hidden < 2) return [head, add(pre, spans.map(span))];
  const [n, at] = cut, [name, text] = spans[n];
  add(pre, spans.slice(0, n).map(span), span([name, text.slice(0, at)]));
  const more = h("button", { type: "button", class: "more", onclick: () => {
    add(pre, span([name, text.slice(at)]), spans.slice(n + 1).map(span));
    more.remove();
  } }, `… ${whole(hidden)} more lines`);
  return [head, pre, more];
}

function section({ name, text }) {
  return h("details", { class: "section" }, h("summary", {}, h("b", {}, name), h("span", { class: "dim" }, `${whole(text.length)} characters`)),
    h("pre", {}, text));
}

function media({ mime, size, src, uri }) {
  const words = `${mime} · ${uri ?? bytes(size)}`;
  return h("figure", {}, src && PICTURE.test(src) && h("img", { src, alt: words }), h("figcaption", { class: "dim" }, words));
}

const KINDS = { text: prose, code, section, media };

/** The elements of some blocks. */
export const draw = (blocks) => blocks.map((block) => KINDS[block.kind]?.(block));

/** What a call has come to. */
export const result = ({ failed, facts, blocks }) => h("div", { class: failed ? "result failed" : "result" },
  h("div", { class: "label" }, ["result", ...facts].join(" · ")),
  blocks.length ? draw(blocks) : h("p", { class: "dim" }, "(no output)"));
