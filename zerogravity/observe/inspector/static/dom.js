// Elements and words. Text nodes only: nothing that came over a wire is ever parsed as HTML.

/** h("div", {class: "x", onclick: f, data: {n: 1}}, child, "text", [more]); null and false are left out. */
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(node.dataset, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  return add(node, ...children);
}

export function add(node, ...children) {
  for (const child of children.flat(Infinity))
    if (child !== null && child !== undefined && child !== false) node.append(child);
  return node;
}

export const fill = (node, ...children) => { node.replaceChildren(); return add(node, ...children); };
export const empty = (text) => h("p", { class: "empty" }, text);

// -- numbers as words ---------------------------------------------------------------------------------------------

export function ms(value) {
  if (value === null || value === undefined) return "–";
  if (value < 0.95) return value < 0.005 ? "0 ms" : `${value.toFixed(2)} ms`;
  if (value < 999.5) return `${value.toFixed(value < 9.95 ? 1 : 0)} ms`;
  return seconds(value);
}

/** Coarse, for what ticks. */
export function seconds(value) {
  const all = value / 1000;
  if (all < 9.95) return `${all.toFixed(1)} s`;
  if (all < 60) return `${Math.floor(all)} s`;
  const minutes = Math.floor(all / 60);
  if (minutes < 60) return `${minutes} min ${String(Math.floor(all % 60)).padStart(2, "0")} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

export function bytes(value) {
  if (value < 1024) return `${value} B`;
  if (value < 1 << 20) return `${(value / 1024).toFixed(1)} KB`;
  return `${(value / (1 << 20)).toFixed(1)} MB`;
}

export const whole = (value) => Number(value).toLocaleString("en").replaceAll(",", "\u2009");
export const short = (value) => (value < 10000 ? whole(value) : value < 1e6 ? `${(value / 1000).toFixed(value < 1e5 ? 1 : 0)}k` : `${(value / 1e6).toFixed(1)}M`);
export const clock = (unix) => (unix ? new Date(unix * 1000).toTimeString().slice(0, 8) : "");

/** The time of day; of another day than today also the date. */
export function day(unix) {
  if (!unix) return "";
  const at = new Date(unix * 1000);
  return at.toDateString() === new Date().toDateString() ? clock(unix) : `${at.toLocaleDateString(undefined, { month: "short", day: "numeric" })} ${clock(unix).slice(0, 5)}`;
}
const money = (usd) => (usd > 0 && usd < 0.0001 ? "<$0.0001" : usd < 0.01 ? `$${usd.toFixed(4)}` : `$${usd.toFixed(2)}`);
/** A turn's or a sum's price: "≥" where something has none, "?" where nothing has; null where nothing is billed. */
export const price = ({ price: usd, price_partial: partial }) =>
  (usd === null || usd === undefined ? (partial ? "?" : null) : partial && usd < 0.0001 ? "≥ $0" : `${partial ? "≥ " : ""}${money(usd)}`);
export const PRICE = "US dollars at list price; ≥: the price of a part of it is not known; ?: none is";
/** Tokens of a usage: all that was read, and all that was written, thinking too. */
export const sent = (usage) => (usage.prompt ?? 0) + (usage.tool_use ?? 0);
export const made = (usage) => (usage.candidates ?? 0) + (usage.thoughts ?? 0);
/** The same in few characters; "~": they are estimated. */
export const tokens = (usage, read = short(sent(usage))) => `${usage.source === "estimate" ? "~" : ""}${read}→${short(made(usage))}`;
export const TOKENS = "tokens in → out; ~: estimated, nobody has told them";
export const percent = (part, of) => (of ? `${Math.round((100 * part) / of)} %` : "0 %");

/** An element whose text is the time since `at` (performance.now()), kept right by `tick`. */
export function since(at) {
  const node = h("span", { class: "tick num" }, seconds(performance.now() - at));
  node.since = at;
  return node;
}

export function tick() {
  for (const node of document.querySelectorAll(".tick")) {
    const text = seconds(performance.now() - node.since);
    if (node.textContent !== text) node.textContent = text;
  }
}
