// The inspector's endpoints: JSON by fetch, live changes by EventSource. All of them only read. In an exported page what
// they would answer stands in the page itself.

const BASE = "/inspector/api";
const inlined = document.getElementById("data");
const turns = inlined && new Map(JSON.parse(inlined.textContent).turns.map((turn) => [turn.turn.id, turn]));

/** Whether this page is an export, in which nothing changes any more. */
export const recorded = inlined !== null;

export class Gone extends Error {}

/** What the endpoint at `path` below a turn would answer. */
function recall([, id, part = "turn", seq], { from = 0, limit = Infinity } = {}) {
  if (!turns.has(id)) throw new Gone("This turn is not in the file.");
  const found = turns.get(id)[part];
  if (seq !== undefined) {
    const frames = turns.get(id).frames.filter((frame) => frame.record === seq);
    return { record: found[seq] ?? { seq, data: "", events: [] }, frames, first_frame: frames[0]?.n };
  }
  const rows = Array.isArray(found) ? found : part === "conversation" ? found.rows : null;
  const at = rows && from < 0 ? Math.max(found.earlier ?? 0, rows.length + from, 0) : from;
  return rows ? { ...found, total: rows.length, from: at, rows: rows.slice(at, at + limit) } : found;
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
    return change({ all: true, turns: [...turns.values()].map(({ turn }) => turn), gone: [], health: {} });
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
