"use strict";
// Builds the page from the inert data. Text nodes only: nothing of a trace is ever parsed as HTML.

const PHASES = [
  ["queued", "received", "admitted"], ["LS told", "admitted", "told"], ["matched", "told", "matched"],
  ["first byte", "matched", "first_byte"], ["first thinking", "first_byte", "first_thinking"],
  ["first text", "first_byte", "first_text"], ["first call", "first_byte", "first_call"],
  ["answer", "first_byte", "done"],
];
const PAGE = 500;

function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  for (const child of children) if (child !== null) node.append(child);
  return node;
}

const pre = (text) => make("pre", {}, String(text));
const pretty = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));
const ms = (value) => (value === null || value === undefined ? "–" : `${Number(value).toFixed(value < 100 ? 1 : 0)} ms`);

function facts(info) {
  const usage = info.usage || {};
  const rows = [
    ["surface", info.surface], ["model", info.model], ["code", info.code || info.phase], ["started", info.started],
    ["first text", ms(info.latency_ms?.first_text)], ["total", ms(info.latency_ms?.total)],
    ["tokens", `${usage.prompt || 0} in (${usage.cached || 0} cached), ${usage.candidates || 0} out, ${usage.thoughts || 0} thinking`],
    ["records", info.counts?.records], ["calls to Google", info.counts?.upstream_calls],
  ];
  const box = make("div", { class: "facts" });
  for (const [name, value] of rows) {
    const kind = name === "code" ? (info.failure ? "bad" : "good") : "";
    box.append(make("span", {}, `${name} `, make("b", { class: kind }, String(value ?? "–"))));
  }
  return box;
}

function waterfall(info) {
  const marks = info.marks_ms || {};
  const total = Math.max(0.001, ...Object.values(marks));
  const box = make("div", {});
  for (const [name, from, to] of PHASES) {
    if (marks[to] === undefined) continue;
    const start = marks[from] ?? 0;
    const bar = make("i", {});
    bar.style.left = `${(100 * start) / total}%`;
    bar.style.width = `${Math.max(0, (100 * (marks[to] - start)) / total)}%`;
    box.append(make("div", { class: "bar" }, name, make("div", { class: "track" }, bar), make("span", { class: "num" }, ms(marks[to]))));
  }
  return box;
}

function items(trace) {
  const box = make("div", {});
  for (const item of trace.items) {
    const kind = { Reasoning: "thinking", Message: "text", Call: "call", Media: "media" }[item.kind] || item.kind;
    const text = kind === "call" ? `${item.name}(${item.args_json})` : item.text ?? item.mime ?? "";
    box.append(make("div", { class: `pane ${kind}` }, make("div", { class: "kind" }, kind), pre(text)));
  }
  if (trace.info.failure) box.append(make("div", { class: "pane bad" }, pre(`${trace.info.failure.code}: ${trace.info.failure.message}`)));
  return box;
}

// Line diff by longest common subsequence; long bodies fall back to plain lists.
function diff(before, after) {
  const a = pretty(before).split("\n"), b = pretty(after).split("\n");
  if (a.length * b.length > 4e6) return [...a.map((line) => ["del", "- " + line]), ...b.map((line) => ["add", "+ " + line])];
  const width = b.length + 1;
  const table = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      table[i * width + j] = a[i] === b[j] ? table[(i + 1) * width + j + 1] + 1 : Math.max(table[(i + 1) * width + j], table[i * width + j + 1]);
  const out = [];
  let i = 0, j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) { out.push(["", "  " + a[i]]); i++; j++; }
    else if (j >= b.length || (i < a.length && table[(i + 1) * width + j] >= table[i * width + j + 1])) out.push(["del", "- " + a[i++]]);
    else out.push(["add", "+ " + b[j++]]);
  }
  return out;
}

function bodies(trace) {
  const box = make("div", {});
  const original = trace.bodies["upstream_request.original"], sent = trace.bodies.upstream_request;
  const folded = (title, build) => {
    const details = make("details", {}, make("summary", {}, title));
    details.addEventListener("toggle", () => { if (details.open && details.childElementCount === 1) details.append(build()); });
    box.append(details);
  };
  if (trace.bodies.client_request) folded("client request", () => make("div", { class: "pane" }, pre(pretty(trace.bodies.client_request))));
  if (original && sent) folded("request to Google: what the language server wanted to send → what was sent", () => {
    const pane = make("pre", {});
    for (const [kind, line] of diff(original.body, sent.body)) pane.append(make("span", { class: kind }, line + "\n"));
    return make("div", { class: "pane" }, pane);
  });
  return box;
}

function events(trace) {
  const emitted = make("pre", {}), raw = make("pre", {});
  const table = make("table", {}, make("tr", {}, ...["seq", "ms", "call", "events", "bytes"].map((name) => make("th", {}, name))));
  let chosen = null;
  const choose = (row, record) => {
    if (chosen) chosen.classList.remove("chosen");
    chosen = row;
    row.classList.add("chosen");
    let data = record.data;
    try { data = JSON.stringify(JSON.parse(record.data), null, 2); } catch { /* shown as it is */ }
    raw.textContent = data || JSON.stringify(record.events, null, 2);
    emitted.textContent = trace.emitted.filter((frame) => frame.seq === record.seq).map((frame) => frame.text).join("") || "(nothing was sent for this event)";
  };
  let shown = 0;
  const more = make("button", { type: "button" }, "more");
  const grow = () => {
    for (const record of trace.records.slice(shown, shown + PAGE)) {
      const kinds = record.events.map((event) => event.type).join(", ");
      const row = make("tr", { "data-seq": record.seq }, ...[record.seq, record.t_ms.toFixed(1), record.call, kinds, record.span[1] - record.span[0]].map((cell) => make("td", {}, String(cell))));
      row.addEventListener("click", () => choose(row, record));
      table.append(row);
    }
    shown += PAGE;
    more.hidden = shown >= trace.records.length;
  };
  more.addEventListener("click", grow);
  grow();
  return make("div", {},
    make("div", { class: "scroll" }, table, more),
    make("div", { class: "two" },
      make("div", {}, make("h2", {}, "upstream event"), make("div", { class: "pane" }, raw)),
      make("div", {}, make("h2", {}, "frames sent for it"), make("div", { class: "pane" }, emitted))));
}

const data = JSON.parse(document.getElementById("data").textContent);
for (const trace of data.traces) {
  document.body.append(
    make("h1", {}, trace.info.id), facts(trace.info),
    make("h2", {}, "time"), waterfall(trace.info),
    make("h2", {}, "answer"), items(trace),
    make("h2", {}, "requests"), bodies(trace),
    make("h2", {}, trace.cut ? "events (the first ones)" : "events"), events(trace));
}
