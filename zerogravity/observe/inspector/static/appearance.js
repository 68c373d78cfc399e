// Dark or light by choice, kept in this browser; and the table of keys.

import { fill, h } from "./dom.js";

const THEMES = { auto: "◐", light: "☀", dark: "☾" }, NAME = "zerogravity-theme";

function kept() {
  try { return localStorage.getItem(NAME); } catch { return null; }  // a page that was opened as a file may have no storage
}

/** The button goes from auto (as the system has it) to light to dark. */
export function theme(button) {
  const names = Object.keys(THEMES);
  const set = (name) => {
    document.documentElement.dataset.theme = name;
    button.textContent = THEMES[name];
    button.title = `appearance: ${name}`;
    button.setAttribute("aria-label", `appearance: ${name}`);
  };
  button.addEventListener("click", () => {
    const next = names[(names.indexOf(document.documentElement.dataset.theme) + 1) % names.length];
    set(next);
    try { localStorage.setItem(NAME, next); } catch { /* for this visit only */ }
  });
  set(names.includes(kept()) ? kept() : "auto");
}

const KEYS = [
  ["j  k  ↓  ↑", "to the next or previous turn; in Events and Raw: event"], ["g  G", "to the first, to the last"],
  ["Enter", "into the pane"], ["→  ←", "open or close a session in the list"], ["1 … 8", "that pane"],
  ["s", "turns or sessions"], ["/", "search"], ["Esc", "back: close, leave the pane, clear the search"], ["?", "these keys"],
];

export function keys(dialog) {
  if (dialog.open) return dialog.close();
  fill(dialog, h("h2", { id: "keys-title" }, "Keys"),
    h("dl", {}, KEYS.map(([key, does]) => [h("dt", {}, key.split("  ").map((one) => h("kbd", {}, one))), h("dd", {}, does)])),
    h("button", { type: "button", onclick: () => dialog.close() }, "Close"));
  return dialog.showModal();
}
