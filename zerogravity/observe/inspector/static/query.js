// The search language, as far as what is in the page can answer it: at once, before the server has looked through all
// texts. The same terms as on the command line.

import { textsOf } from "./texts.js";

const holds = (...texts) => (value) => texts.some((text) => (text ?? "").toLowerCase().includes(value));
const begins = (text) => (value) => (text ?? "").toLowerCase().replace(/^turn_/, "").startsWith(value.replace(/^turn_/, ""));
const called = (turn) => holds(...turn.tools);

/** name → [turn → (value → whether it holds), what it finds, values of a turn to propose]. */
export const FIELDS = {
  code: [(turn) => (value) => [turn.code, ...(turn.google ?? "").split(" ")].some((word) => word?.toLowerCase() === value),
    "how a turn ended, or what Google answered", (turn) => [turn.code]],
  model: [(turn) => holds(turn.model, turn.target), "part of a model's name", (turn) => [turn.model]],
  client: [(turn) => holds(turn.client), "the program that asked", (turn) => [turn.client]],
  tool: [called, "a tool that was called", (turn) => turn.tools],
  surface: [(turn) => (value) => turn.surface === value, "the API it came by", (turn) => [turn.surface]],
  session: [(turn) => begins(turn.session), "id of a session"],
  conversation: [(turn) => begins(turn.conversation), "the program's own id of a conversation"],
  run: [(turn) => begins(turn.run), "id of a run"],
  id: [(turn) => begins(turn.id), "id of a turn"],
  since: [(turn) => (value) => turn.created >= moment(value), "2h, 3d, today, 2026-11-28"],
  before: [(turn) => (value) => turn.created < moment(value), "2h, 3d, today, 2026-11-28"],
  is: [(turn) => (value) => Boolean(turn[STATES[value]]), "error, star", () => Object.keys(STATES)],
};
const STATES = { error: "failed", star: "star" };
const UNITS = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };
const TERM = /(-?)(?:([A-Za-z_]+):(?![/\\:]))?(?:"([^"]*)"?|(\S*))/g;

/** A point in time as people write it, in seconds since 1970; NaN: it is none. */
function moment(text) {
  const [, count, unit] = /^(\d{1,9})([smhdw])$/.exec(text) ?? [];
  if (count) return Date.now() / 1000 - count * UNITS[unit];
  const today = new Date().setHours(0, 0, 0, 0) / 1000;
  if (text === "today" || text === "yesterday") return text === "today" ? today : today - UNITS.d;
  return new Date(text.length === 10 ? `${text}T00:00` : text.toUpperCase()).getTime() / 1000;
}

const seen = (turn) => (turn.seen ??= [turn.label, turn.question, turn.code, turn.state, turn.surface, turn.client,
  turn.model, turn.target, turn.note, ...turn.tools].join("\n").toLowerCase());
const said = (turn, value) => seen(turn).includes(value) || textsOf(turn.id).some(({ lower }) => lower.includes(value));

/** `code:upstream_drop -surface:chat words "a phrase"` → {matches: turn → bool, words, problem}. All terms must hold;
 *  `-` turns one round. `problem`: why a term cannot be read, in words. */
export function parse(text) {
  const terms = [], words = [];
  let problem = "";
  for (const [whole, minus, name, phrase, plain] of text.matchAll(TERM)) {
    if (!whole) continue;
    const lone = whole === "-", field = name?.toLowerCase();  // a lone "-" is a word
    const value = lone ? whole : (phrase ?? plain).toLowerCase(), wanted = lone || !minus;
    if (field && !Object.hasOwn(FIELDS, field)) problem ||= `there is no field ${name}:`;
    else if (!value) problem ||= field ? `${field}: needs a value` : "";
    else if (field === "is" && !Object.hasOwn(STATES, value)) problem ||= `is:${value} means nothing; there are is:error and is:star`;
    else if (["since", "before"].includes(field) && Number.isNaN(moment(value)))
      problem ||= `${field}:${value} is no time; write one such as 2h, 3d, today or 2026-11-28`;
    else if (field) terms.push((turn) => FIELDS[field][0](turn)(value) === wanted);
    else {
      terms.push((turn) => said(turn, value) === wanted);
      if (wanted) words.push(value);
    }
  }
  return { matches: (turn) => terms.every((term) => term(turn)), words, problem, empty: !terms.length };
}

/** What may stand at the end of `text`: [{term, about}]. `turns`: where values come from. */
export function proposals(text, turns) {
  const last = /\S*$/.exec(text)[0].replace(/^-/, "").toLowerCase();
  const [, name, begun] = /^(\w+):"?(.*)$/.exec(last) ?? [];
  if (name === undefined)
    return Object.entries(FIELDS).filter(([field]) => field.startsWith(last)).map(([field, [, about]]) => ({ term: `${field}:`, about }));
  const values = new Map(), of = FIELDS[name]?.[2];
  if (of) for (const turn of turns) for (const value of of(turn)) if (value?.toLowerCase().startsWith(begun)) values.set(value, (values.get(value) ?? 0) + 1);
  return [...values].sort(([, a], [, b]) => b - a).slice(0, 12)
    .map(([value, times]) => ({ term: `${name}:${/\s/.test(value) ? `"${value}"` : value} `, about: name === "is" ? "" : `${times}` }))
    .filter(({ term }) => term.trim().toLowerCase() !== last);
}
