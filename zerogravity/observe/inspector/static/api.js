// The inspector's endpoints: JSON by fetch, live changes by EventSource. All of them only read. In an exported page what
// they would answer stands in the page itself.

const BASE = "/inspector/api";
const inlined = document.getElementById("data");
const opened = new Map();  // turn id → its data, of the turns that were looked at last
const MOST = 8;

/** Whether this page is an export, in which nothing changes any more. */
export const recorded = inlined !== null;

export class Gone extends Error {}

/** What stands in an exported page of a turn; it is parsed when it is first asked for. */
function recordedTurn(id) {
  if (!opened.has(id)) {
    const block = [...document.querySelectorAll("script[data-turn]")].find(({ dataset }) => dataset.turn === id);
    opened.set(id, JSON.parse(block.textContent));
    if (opened.size > MOST) opened.delete(opened.keys().next().value);
  }
  return opened.get(id);
}

/** What the endpoint at `path` below a turn would answer. */
function recall([, id, part = "turn", seq], { from = 0, limit = Infinity } = {}) {
  const turn = recordedTurn(id), found = turn[part];
  if (seq !== undefined) {
    const frames = turn.frames.filter((frame) => frame.record === seq);
    return { record: found[seq] ?? { seq, data: "", events: [] }, frames, first_frame: frames[0]?.n };
  }
  return Array.isArray(found) ? { total: found.length, from, rows: found.slice(from, from + limit) } : found;
}

/** get("turns", id, "records", {from: 200}) → parsed JSON. Throws Gone for a turn that is no longer in memory. */
export async function get(...path) {
  const options = typeof path.at(-1) === "object" ? path.pop() : {};
  if (recorded) return recall(path, options);
  const query = Object.keys(options).length ? `?${new URLSearchParams(options)}` : "";
  const answer = await fetch(`${BASE}/${path.map(encodeURIComponent).join("/")}${query}`);
  if (answer.status === 404) throw new Gone((await answer.text()).trim());
  if (!answer.ok) throw new Error(`${answer.status}: ${(await answer.text()).trim()}`);
  return answer.json();
}

/** Calls `change(message)` for each message and `state(text)` when the connection comes or goes. While the page is
 *  hidden nothing is connected: a browser has six connections per server, and the server has better things to do. */
export function live(change, state) {
  if (recorded) {
    state("recorded");
    return change({ all: true, turns: JSON.parse(inlined.textContent).turns, gone: [], health: {} });
  }
  let source = null;
  const close = () => { source?.close(); source = null; };
  const open = () => {
    close();
    source = new EventSource(`${BASE}/live`);
    source.onopen = () => state("live");
    source.onmessage = (event) => change(JSON.parse(event.data));
    source.onerror = () => {
      state("no connection");
      if (source?.readyState === EventSource.CLOSED) { close(); setTimeout(() => source || document.hidden || open(), 3000); }
    };
  };
  const follow = () => (document.hidden ? (close(), state("paused")) : source || open());
  document.addEventListener("visibilitychange", follow);
  addEventListener("pagehide", close);
  addEventListener("pageshow", follow);
  follow();
}
