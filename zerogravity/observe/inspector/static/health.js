// The strip at the top: the connection of this page, then the health of the gateway. What is not known is grey.

import { bytes, day, fill, h, percent, seconds, short } from "./dom.js";

const SCARCE = 0.1; // of a quota

/** " (since 14:02:11, 3 times)" of what is broken. */
const lasting = ({ ok, since: from, last_failure: failure }) => (ok || !from ? ""
  : ` (since ${new Date(from).toLocaleTimeString()}${failure?.times > 1 ? `, ${failure.times} times` : ""})`);

/** Broken, works with a warning, works; without any evidence it is none of them. */
const verdict = (check) => (!check.ok ? "bad" : check.fix ? "warn" : check.since ? "good" : "");

/** The state of a hop, since when, what to do, and its last failure. */
function history(check) {
  const { text, fix, last_failure: failure } = check;
  const when = (at) => new Date(at).toLocaleTimeString();
  return [
    text + lasting(check),
    fix && `what to do: ${fix}`,
    failure && `last failure at ${when(failure.at)}${failure.times > 1 ? `, ${failure.times} times` : ""}: ${failure.text}`,
  ].filter(Boolean).join("\n");
}

/** A model that is left alone because Google says so. */
const alone = ({ model, until, reason, google }) => {
  const end = new Date(until), today = end.toDateString() === new Date().toDateString();
  return chip("warn", `${model} waits until ${today ? end.toLocaleTimeString() : end.toLocaleString()}`,
    `Google answered ${google}${reason ? ` (${reason})` : ""}, and is not asked before that`);
};

/** The configured MCP servers: the ones that were not reached by name, and all of them in the title. */
function mcp(servers) {
  if (!servers.length) return null;
  const failed = servers.filter(({ reachable }) => reachable === false);
  const words = ({ reachable, failure, seen }) => (reachable === null ? "not used yet"
    : `${reachable ? "reachable" : `failed: ${failure}`} (${day(new Date(seen) / 1000)})`);
  return chip(failed.length ? "warn" : servers.some(({ reachable }) => reachable) ? "good" : "",
    failed.length ? `mcp: ${failed.map(({ name }) => name).join(", ")} failed` : `mcp ${servers.length}`,
    servers.map((one) => `${one.name} (${one.kind}): ${words(one)}`).join("\n"));
}

const CONNECTION = { live: "good", "no connection": "bad", locked: "bad" };
const WHAT_TO_DO = {
  "no connection": ["The gateway does not answer.", "This page connects by itself as soon as it runs again: zerogravity serve"],
  locked: ["This browser's key to the inspector is no longer valid.", "Run in a terminal: zerogravity open"],
};

const chip = (kind, words, title) => h("span", { class: `chip ${kind}`, title }, h("i", { class: "dot" }), words);

function figure(name, value) {
  const shown = typeof value !== "number" ? String(value) : name.endsWith("_ms") ? seconds(value) : name.endsWith("bytes") ? bytes(value) : short(value);
  return h("span", { class: "chip" }, h("span", { class: "dim" }, `${name.replaceAll("_", " ")} `), shown);
}

/** What is left of the models' quotas: the scarcest one; of all in the title. Absent where nothing is known. */
function quotas(known) {
  if (!known.length) return null;
  const share = ({ left }) => (left === null ? "unknown or used up" : percent(left, 1));
  const resets = ({ resets: at }) => (at && new Date(at) > new Date() ? `, resets ${day(new Date(at) / 1000)}` : "");
  const told = known.filter(({ left }) => left !== null), [least] = told.sort((one, other) => one.left - other.left);
  return h("span", { class: `chip ${least && least.left < SCARCE ? "warn" : ""}`,
    title: known.map((each) => `${each.model}: quota ${share(each)}${resets(each)}`).join("\n") },
  h("span", { class: "dim" }, "quota "), least ? `${share(least)}${least.left < SCARCE ? ` of ${least.model}` : ""}` : "unknown");
}

/** `state`: as the server last told it; it counts only while there is a connection. */
export function health(box, state, connection) {
  const [trouble, fix] = WHAT_TO_DO[connection] ?? [];
  const line = h("p", { class: "hop bad" }, trouble, " ", h("span", { class: "fix" }, fix));
  if (connection !== "live") return fill(box, chip(CONNECTION[connection] ?? "", connection), trouble && line);
  const { line: words, checks = [], cooldowns = [], ready: isReady, quota = [], mcp_servers: servers = [], ...rest } = state;
  const ready = typeof words === "string" ? words.startsWith("ready") : isReady;
  const told = checks.length ? (ready ? "ready" : "not ready") : words;
  return fill(box,
    chip("good", "live"),
    words && chip(`summary ${ready ? "good" : "bad"}`, told, words),
    cooldowns.map(alone),
    checks.map((check) => chip(verdict(check), check.name, history(check))),
    mcp(servers),
    quotas(quota),
    Object.entries(rest).map(([name, value]) => figure(name, value)),
    checks.filter((check) => check.fix).map((check) => h("p", { class: `hop ${verdict(check)}` },
      h("b", {}, check.name), ` ${check.text}${lasting(check)} `, h("span", { class: "fix" }, check.fix))));
}
