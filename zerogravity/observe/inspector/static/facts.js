// Panes of figures and lists: tools, usage, notes.

import { get } from "./api.js";
import { PRICE, add, bytes, empty, fill, h, made, ms, price, whole } from "./dom.js";
import { difference } from "./diff.js";

export class Tools {
  constructor(box, id, failed) {
    this.calls = h("div", { class: "items" });
    this.declared = h("div", { class: "items" }, empty("…"));
    fill(box, h("h2", {}, "calls in this answer"), this.calls, h("h2", {}, "declared tools"), this.declared);
    get("turns", id, "tools").then(({ tools }) => this.show(tools), failed);
  }

  show(tools) {
    fill(this.declared, tools.length ? tools.map((tool) => this.tool(tool)) : empty("The request declared no tools."));
  }

  tool({ name, description, before, after }) {
    const changed = before !== null && before !== after;
    const details = h("details", { class: "item tool" }, h("summary", {}, h("b", {}, name),
      h("span", { class: "dim" }, before === null ? "" : changed ? "schema changed" : "schema unchanged"),
      h("span", { class: "grow dim" }, description)));
    details.addEventListener("toggle", () => details.childElementCount === 1 && add(details,
      description && h("p", {}, description),
      changed ? [h("div", { class: "label" }, "client's schema → Google's schema"), difference(before, after)] : h("pre", {}, after ?? "no parameters")));
    return details;
  }

  update(details) {
    const calls = details.items.filter((item) => item.kind === "call");
    const key = JSON.stringify(calls);
    if (key === this.key) return;
    this.key = key;
    fill(this.calls, calls.length ? calls.map((call) => h("div", { class: "item call" },
      h("div", { class: "title" }, h("b", {}, call.name), h("code", { class: "dim" }, call.call_id), call.signed && h("span", { class: "dim" }, "signed")),
      h("pre", {}, call.arguments))) : empty("None."));
  }
}

const COUNTS = ["prompt", "cached", "thoughts", "candidates", "tool_use", "total"];
const table = (names, rows) => h("div", { class: "tokens" }, h("table", {}, h("thead", {}, h("tr", {}, names.map((name) => h("th", {}, name)))),
  h("tbody", {}, rows.map((row) => h("tr", { class: row.kind }, row.cells.map((cell) => h("td", {}, cell)))))));

export class Usage {
  constructor(box) { this.box = box; }

  update(details) {
    const cost = (priced) => h("span", { title: PRICE }, price(priced) ?? "–");
    const tokens = (name, usage, priced, kind) => ({ kind, cells: [name, ...COUNTS.map((count) => (usage.total ? whole(usage[count]) : "?")),
      usage.total ? usage.source : "–", cost(priced)] });
    const of = ({ model }) => model !== details.target && h("span", { class: "dim" }, ` ${model}`);
    const calls = Object.entries(details.usage_by_call);
    const { marks, gaps } = details.time;
    const first = marks.first_text ?? marks.first_call;
    const spoken = (marks.done ?? details.total_ms) - (marks.first_byte ?? 0);
    const figures = [
      ["first byte", ms(marks.first_byte)], ["first thinking", ms(marks.first_thinking)], ["first text or call", ms(first)],
      ["total", ms(details.total_ms)], ["tokens per second", marks.first_byte !== undefined && made(details.usage) && spoken > 0 ? (made(details.usage) / spoken * 1000).toFixed(1) : "–"],
      ["gaps over 2 s", gaps.length ? `${gaps.length}, longest ${ms(Math.max(...gaps.map(([a, b]) => b - a)))}` : "none"],
      ["calls to Google", details.calls], ["upstream events", whole(details.records)], ["held in memory", bytes(details.bytes)],
      ["readers now", details.readers], ["late records", details.late],
    ];
    fill(this.box, h("h2", {}, "tokens"),
      table(["", "in", "cached", "thinking", "answer", "tool use", "total", "source", "price"],
        [...calls.map(([number, usage]) => tokens([`call ${number}`, of(usage)], usage, usage)), tokens("turn", details.usage, details, "sum")]),
      h("h2", {}, "time and size"),
      h("dl", {}, figures.map(([name, value]) => [h("dt", {}, name), h("dd", { class: "num" }, String(value))])));
  }
}

export class Notes {
  constructor(box) { this.box = box; }

  update(details) {
    const list = (title, lines) => lines.length ? [h("h2", {}, title), h("ul", {}, lines.map((line) => h("li", {}, line)))] : [];
    const facts = [["turn", details.id], ["conversation", details.conversation], ["cascade", details.cascade], ["model at Google", details.upstream_model],
      ["finish", details.finish], ["finish message", details.finish_message], ["code", details.code]];
    fill(this.box,
      details.failure && [h("h2", {}, "failure"), h("pre", { class: "box" }, JSON.stringify(details.failure, null, 2))],
      list("rendering failed", details.trouble ? [details.trouble] : []),
      list("translation notes", details.notes), list("notices", details.notices),
      h("h2", {}, "identifiers"), h("dl", {}, facts.map(([name, value]) => [h("dt", {}, name), h("dd", {}, h("code", {}, value ?? "–"))])),
      details.grounding && [h("h2", {}, "grounding"), h("pre", { class: "box" }, JSON.stringify(details.grounding, null, 2))]);
  }
}
