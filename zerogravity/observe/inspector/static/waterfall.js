// Where a turn's time went: a lane of phases, a lane per upstream call, calls as ticks, long gaps shaded. What still lasts
// grows.

import { recorded } from "./api.js";
import { fill, h, ms, seconds } from "./dom.js";

// phase, its name, what the time before it was spent on
const STAGES = [
  ["admitted", "admitted", "in the queue", "queue"], ["told", "sent to LS", "starting the cascade", "ls"],
  ["matched", "Google call", "until the LS called Google", "match"], ["first_byte", "first byte", "until Google's first byte", "byte"],
];
const FIRSTS = [["first_thinking", "first thinking", "thinking"], ["first_text", "first text", "text"], ["first_call", "first call", "call"]];
const EVERY = 250, GAP = 2000;

function bar(kind, from, to, scale, title) {
  const node = h("i", { class: `bar ${kind}`, title });
  node.style.left = `${from * scale}%`;
  node.style.width = `${Math.max(0, to - from) * scale}%`;
  return node;
}

function tickAt(at, scale, kind, title) {
  const node = h("b", { class: `mark ${kind}`, title });
  node.style.left = `${at * scale}%`;
  return node;
}

/** A round step that gives four to eight labels. */
function axis(total, scale) {
  const raw = total / 6, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= raw);
  const labels = [];
  for (let at = 0; at <= total * 0.97; at += step) {
    const label = h("span", {}, at ? ms(at) : "0");
    label.style.left = `${at * scale}%`;
    labels.push(label);
  }
  return h("div", { class: "axis num" }, labels);
}

/** Draws a turn's time, as the server sends it, into `box`. While the turn runs it is drawn again as time goes on, until
 *  something else is drawn there. */
export function waterfall(box, { time, total_ms: total, http, closed }) {
  clearInterval(box.growing);
  const began = performance.now() - total, node = h("div", {});
  const draw = () => fill(node, lanesOf(time, closed || recorded ? total : performance.now() - began, !closed && !recorded), statuses(http));
  fill(box, draw());
  if (!closed && !recorded) box.growing = setInterval(() => (node.isConnected ? document.hidden || draw() : clearInterval(box.growing)), EVERY);
}

/** `now`: how long the turn has been running. */
function lanesOf(time, now, running) {
  const { marks, lanes } = time;
  const total = Math.max(marks.done ?? now, ...Object.values(marks), 1);
  const scale = 100 / total;
  const answering = marks.first_byte !== undefined;
  const newest = time.last ?? marks.matched;
  const quiet = running && newest !== null && newest !== undefined ? total - newest : 0;
  const gaps = quiet > GAP ? [...time.gaps, [newest, total]] : time.gaps;
  const lane = (name, ...bars) => h("div", { class: "lane" }, h("span", { class: "dim" }, name), h("div", { class: "track" }, bars));
  let before = 0;
  const stages = STAGES.filter(([mark]) => marks[mark] !== undefined).map(([mark, , spent, kind]) => {
    const from = before;
    before = marks[mark];
    return bar(kind, from, before, scale, `${spent}: ${ms(before - from)}`);
  });
  const firsts = FIRSTS.filter(([mark]) => marks[mark] !== undefined);
  const legend = [...STAGES.filter(([mark]) => marks[mark] !== undefined).map(([mark, words, , kind]) => [mark, words, kind]), ...firsts];
  const shade = (from, to) => bar("gap", from, to, scale, `nothing for ${ms(to - from)}`);
  return [
    lane("turn", stages, answering && bar("open", before, marks.done ?? total, scale, "the answer"),
      running && !answering && bar("pending", before, total, scale, `waiting for ${ms(total - before)}`),
      answering && gaps.filter(([from]) => from >= marks.first_byte).map(([from, to]) => shade(from, to)),
      firsts.map(([mark, words, kind]) => tickAt(marks[mark], scale, kind, `${words}: ${ms(marks[mark])}`)),
      marks.done !== undefined && tickAt(marks.done, scale, "end", `done: ${ms(marks.done)}`)),
    lanes.map(({ call, open, close, last, runs, ticks }) => lane(`call ${call}`,
      bar("open", open, close ?? marks.done ?? total, scale, `upstream call ${call}: ${ms((close ?? last) - open)}`),
      gaps.filter(([from, to]) => to > open && from < (close ?? total)).map(([from, to]) => shade(from, to)),
      runs.map(([kind, from, to]) => bar(kind, from, to, scale, `${kind}: ${ms(to - from)}`)),
      ticks.map(([at, name]) => tickAt(at, scale, "call", `${name} at ${ms(at)}`)))),
    axis(total, scale),
    h("div", { class: "legend" },
      quiet > GAP && h("b", { class: "quiet" }, `nothing for ${seconds(quiet)}`),
      legend.map(([mark, words, kind]) =>
        h("span", {}, h("i", { class: `key ${kind}` }), h("span", { class: "dim" }, `${words} `), h("span", { class: "num" }, ms(marks[mark]))))),
  ];
}

/** HTTP's status codes: Google's to each call, and ours to the client. */
function statuses(http) {
  const code = (status) => h("span", { class: status < 400 ? "num" : "num bad" }, String(status));
  const one = (name, all) => all.length > 0 && h("span", { class: "http" }, h("span", { class: "dim" }, `${name} `), all.map((status, n) => [n ? ", " : "", code(status)]));
  return http && h("div", { class: "legend" }, one("Google answered", http.google), one("the client got", http.client === null ? [] : [http.client]));
}
