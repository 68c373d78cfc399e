// The inspector's endpoints: JSON by fetch, live changes by EventSource. All of them only read.

const BASE = "/inspector/api";

export class Gone extends Error {}

/** get("turns", id, "records", {from: 200}) → parsed JSON. Throws Gone for a turn that is no longer in memory. */
export async function get(...path) {
  const query = typeof path.at(-1) === "object" ? `?${new URLSearchParams(path.pop())}` : "";
  const answer = await fetch(`${BASE}/${path.map(encodeURIComponent).join("/")}${query}`);
  if (answer.status === 404) throw new Gone((await answer.text()).trim());
  if (!answer.ok) throw new Error(`${answer.status}: ${(await answer.text()).trim()}`);
  return answer.json();
}

/** Calls `change(message)` for each message and `state(text)` when the connection comes or goes. While the page is
 *  hidden nothing is connected: a browser has six connections per server, and the server has better things to do. */
export function live(change, state) {
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
