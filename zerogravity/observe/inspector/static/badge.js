// A turn in a word: what it is doing or how it ended, with its colour; and what it is about.

import { h, since } from "./dom.js";

const AMBER = ["length", "filtered"];
const WITHOUT = ["no result came", "no result here"];
const OVER = new Set(["done", "failed", "lost", ...WITHOUT]);

/** State of a turn → the class that colours it. */
export function tone(turn) {
  if (turn.failed) return turn.code === "cancelled" || turn.code === "client_gone" ? "muted" : "bad";
  if (turn.state === "done") return AMBER.includes(turn.code) ? "warn" : "good";
  if (WITHOUT.includes(turn.state)) return "warn";
  return { stalled: "bad", lost: "bad", thinking: "thinking", text: "text", "tool wait": "call", "running tool": "call" }[turn.state] ?? "wait";
}

/** What a turn is doing and since when, or how it ended, with the status of what the client or Google said. */
export function badge(turn) {
  const over = turn.closed && (turn.failed || OVER.has(turn.state));
  const status = turn.google?.split(" ")[0] || (turn.status && turn.status !== 200 ? turn.status : "");
  const words = over ? `${WITHOUT.includes(turn.state) ? turn.state : turn.code ?? turn.state} ${status}`.trim() : turn.state;
  return h("span", { class: `badge ${tone(turn)}`, title: over && status ? `HTTP ${turn.google || status}` : null },
    h("i", { class: over ? "dot" : "dot running" }), words, !over && [" ", since(turn.since)]);
}

/** What the turn is about, in a line. */
export const label = (turn) => turn.label || turn.question || "–";
