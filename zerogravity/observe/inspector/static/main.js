// Puts the page together: store, list, turn, keyboard, and the place in the address.

import { live, recorded } from "./api.js";
import { tick } from "./dom.js";
import { Store } from "./store.js";
import { TurnView } from "./turn.js";
import { TurnList, health } from "./turns.js";

const at = (id) => document.getElementById(id);
const store = new Store();
const filter = at("filter"), list = at("turns"), strip = at("health");
let connection = "connecting";

const turns = new TurnList(list, store, at("count"));
const view = new TurnView(at("turn"), store);

/** The turn and the pane that the address names; else the newest turn. */
function place() {
  const [, id, pane] = location.hash.match(/^#([\w-]+)(?:\/(\w+))?$/) ?? [];
  if (pane && view.tabs.querySelector(`[data-pane="${pane}"]`)) view.paneName = pane;
  if (store.turns.has(id)) store.choose(id);
  else store.move(0);
}

function remember() {
  if (store.chosen) history.replaceState(null, "", `#${store.chosen}/${view.paneName}`);
}

store.listeners.add(remember);
view.onopen = remember;
filter.addEventListener("input", () => store.filter(filter.value));
list.addEventListener("click", (event) => {
  const named = event.target.closest("[data-conversation]");
  if (named) store.filter(filter.value = `conversation:${named.dataset.conversation}`);
});
if (!recorded) setInterval(tick, 500);

let placed = false;
live((message) => {
  store.take(message);
  health(strip, store.health, connection);
  if (!placed) { placed = true; place(); }
}, (state) => {
  connection = state;
  health(strip, store.health, connection);
});

// -- keyboard -------------------------------------------------------------------------------------------------------

const inPane = () => view.body.contains(document.activeElement);

/** In the list j and k go from turn to turn; in the panes Events and Raw from event to event. */
function move(by) {
  if (inPane() && view.pane?.step) view.pane.step(by);
  else if (inPane()) view.body.scrollBy(0, by * 60);
  else store.move(by);
}

function back() {
  if (view.pane?.leave?.()) return;
  if (inPane()) list.focus();
  else if (filter.value) { filter.value = ""; store.filter(""); }
}

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  ArrowDown: () => move(1),
  ArrowUp: () => move(-1),
  g: () => store.move(-Infinity),
  G: () => store.move(Infinity),
  Enter: () => { if (!store.turn) store.move(0); view.body.focus(); },
  "/": () => { filter.focus(); filter.select(); },
  Escape: back,
};

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target === filter) {
    if (event.key === "Escape" && !filter.value) list.focus();
    else if (event.key === "Enter") { list.focus(); if (!store.shown.includes(store.turn)) { store.choose(null); store.move(0); } }
    else if (event.key === "Escape") { filter.value = ""; store.filter(""); }
    else return;
    event.preventDefault();
    return;
  }
  if (event.key === "Enter" && event.target.closest("button, summary, a")) return;
  const action = /^[1-8]$/.test(event.key) ? () => view.openNumber(Number(event.key) - 1) : KEYS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

list.focus();
