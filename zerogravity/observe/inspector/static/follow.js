// What is new in a running turn, as it comes.

import { recorded } from "./api.js";

/** Calls `change(items, total)` for each message until the turn ends or `close` is called. Nothing is connected while the page
 *  is hidden. */
export function follow(id, change) {
  let source = null, over = recorded;
  const close = () => { source?.close(); source = null; };
  const open = () => {
    if (over || source || document.hidden) return;
    source = new EventSource(`/inspector/api/turns/${encodeURIComponent(id)}/live`);
    source.onmessage = (event) => {
      const { items, total, closed } = JSON.parse(event.data);
      change(items, total);
      if (closed) end();
    };
    source.onerror = () => { if (source?.readyState === EventSource.CLOSED) end(); };
  };
  const seen = () => (document.hidden ? close() : open());
  const end = () => {
    over = true;
    close();
    document.removeEventListener("visibilitychange", seen);
  };
  document.addEventListener("visibilitychange", seen);
  open();
  return { close: end };
}
