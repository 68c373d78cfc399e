// The inspector's endpoints that read: JSON by fetch, live changes by EventSource. In an exported page what they would
// answer stands in the page itself.

const BASE = "/inspector/api", AGAIN = 2000;
const inlined = document.getElementById("data");
const data = inlined && JSON.parse(inlined.textContent);
const opened = new Map();  // turn id → its data, of the turns that were looked at last
const MOST = 8;

/** Whether this page is an export, in which nothing changes any more. */
export const recorded = inlined !== null;

export class Gone extends Error {}

/** The server's own words for what it cannot do; `status`: HTTP's. */
export class Refused extends Error {
  constructor(status, text) { super(text); this.status = status; }
}

/** What stands in an exported page of a turn; it is parsed when it is first asked for. */
function recordedTurn(id) {
  if (!opened.has(id)) {
    const block = [...document.querySelectorAll("script[data-turn]")].find(({ dataset }) => dataset.turn === id);
    if (!block) throw new Gone("This turn is not in this file.");
    opened.set(id, JSON.parse(block.textContent));
    if (opened.size > MOST) opened.delete(opened.keys().next().value);
  }
  return opened.get(id);
}

/** What the endpoint at `path` below a turn would answer. */
function recall([kind, id, part = "turn", seq], { from = 0, limit = Infinity } = {}) {
  if (id === undefined) return { turns: [], sessions: [], more: false, ...(kind === "sessions" && { sessions: data.sessions ?? [] }) };
  const turn = recordedTurn(id), found = turn[part];
  if (seq !== undefined) {
    const frames = turn.frames.filter((frame) => frame.record === seq);
    return { record: found[seq] ?? { seq, data: "", events: [] }, frames, first_frame: frames[0]?.n };
  }
  const rows = Array.isArray(found) ? found : part === "conversation" ? found.rows : null;
  const at = rows && from < 0 ? Math.max(found.earlier ?? 0, rows.length + from, 0) : from;
  return rows ? { ...found, total: rows.length, from: at, rows: rows.slice(at, at + limit) } : found;
}

/** get("turns", id, "records", {from: 200}) → parsed JSON. `signal` among the options cancels. Throws Gone for a turn
 *  that is neither in memory nor on disk, Refused for what the server cannot read. */
export async function get(...path) {
  const { signal, ...options } = typeof path.at(-1) === "object" ? path.pop() : {};
  if (recorded) return recall(path, options);
  const query = Object.keys(options).length ? `?${new URLSearchParams(options)}` : "";
  const answer = await fetch(`${BASE}/${path.map(encodeURIComponent).join("/")}${query}`, { signal });
  if (answer.status === 404) throw new Gone((await answer.text()).trim());
  if (answer.status === 400) throw new Refused(400, (await answer.text()).trim());
  if (!answer.ok) throw new Error(`${answer.status}: ${(await answer.text()).trim()}`);
  return answer.json();
}

/** Whether the server still knows this browser: its token may be another one since it was started again. */
const isLocked = () => fetch("/inspector/icon.svg", { cache: "no-store" }).then((answer) => answer.status === 401, () => false);

/** Calls `change(message)` for each message and `state(text)` when the connection comes or goes; it comes again by
 *  itself. While the page is hidden nothing is connected: a browser has six connections per server, and the server has
 *  better things to do. */
export function live(change, state) {
  if (recorded) {
    state("recorded");
    return change({ all: true, turns: data.turns, gone: [], health: {} });
  }
  let source = null;
  const close = () => { source?.close(); source = null; };
  const open = () => {
    close();
    source = new EventSource(`${BASE}/live`);
    source.onopen = () => state("live");
    source.onmessage = (event) => change(JSON.parse(event.data));
    source.onerror = async () => {
      const closed = source?.readyState === EventSource.CLOSED;
      state("no connection");
      if (!closed) return;
      close();
      if (await isLocked()) state("locked");
      setTimeout(() => source || document.hidden || open(), AGAIN);
    };
  };
  const follow = () => (document.hidden ? (close(), state("paused")) : source || open());
  document.addEventListener("visibilitychange", follow);
  addEventListener("pagehide", close);
  addEventListener("pageshow", follow);
  follow();
}
