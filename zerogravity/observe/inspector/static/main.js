// Puts the page together: store, list, turn, session, search, keyboard, and the place in the address.

import { live, recorded } from "./api.js";
import { keys, theme } from "./appearance.js";
import { tick } from "./dom.js";
import { health } from "./health.js";
import { Older } from "./older.js";
import { Search } from "./search.js";
import { SessionView } from "./sessions.js";
import { Store } from "./store.js";
import { TurnView } from "./turn.js";
import { TurnList } from "./turns.js";

const at = (id) => document.getElementById(id);
const store = new Store();
const filter = at("filter"), list = at("turns"), strip = at("health"), page = document.body;
let connection = "connecting";

/** For those who hear the page: seldom, and nothing that changes by itself. */
function say(text) { at("said").textContent = text; }

/** In a narrow window list and turn are two screens; this shows the second one, or the first. */
function show(second = true) { page.classList.toggle("second", second); }

const older = new Older(store, (text) => search.remark(text), say);
const search = new Search({ input: filter, hints: at("hints"), remark: at("remark") }, store, older);
const turns = new TurnList(list, store, older, at("count"), show);
const view = new TurnView(at("turn"), store);
const session = new SessionView(at("turn"), store, older);

// -- the place in the address ---------------------------------------------------------------------------------------

/** What the address names: a session, or a turn and a pane; else the newest turn. */
function place() {
  const [, kind, name] = location.hash.match(/^#([\w-]+)(?:\/([\w-]+))?$/) ?? [];
  if (kind === "session" && name) { mode("sessions"); store.toggle(name, true); store.chooseSession(name); show(); return; }
  if (name && view.tabs.querySelector(`[data-pane="${name}"]`)) view.paneName = name;
  if (kind && (store.turns.has(kind) || kind.startsWith("turn_"))) { store.choose(kind); show(); } else store.move(0);
}

function remember() {
  if (store.session) history.replaceState(null, "", `#session/${store.session}`);
  else if (store.chosen) history.replaceState(null, "", `#${store.chosen}/${view.paneName}`);
}

store.listeners.add(remember);
view.onopen = remember;
addEventListener("hashchange", place);

// -- lists ----------------------------------------------------------------------------------------------------------

function mode(name) {
  for (const tab of page.querySelectorAll("[data-mode]")) {
    tab.setAttribute("aria-selected", String(tab.dataset.mode === name));
    tab.tabIndex = tab.dataset.mode === name ? 0 : -1;
  }
  at("listed").setAttribute("aria-labelledby", `mode-${name}`);
  store.setMode(name);
}

page.addEventListener("click", ({ target }) => {
  const tab = target.closest("[data-mode]"), named = target.closest("[data-conversation]");
  if (tab) mode(tab.dataset.mode);
  else if (named) { mode("turns"); search.set(`conversation:${named.dataset.conversation}`); show(false); }
  else if (target.closest(".back")) { show(false); list.focus(); }
  else if (target.closest(".skip")) at("turn").focus();
  else if (target.closest("#help")) keys(at("keys"));
});
at("listed").parentElement.querySelector("[role=tablist]").addEventListener("keydown", (event) => {
  if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
  mode(store.mode === "turns" ? "sessions" : "turns");
  at(`mode-${store.mode}`).focus();
  event.stopPropagation();
});
page.querySelector(".skip").addEventListener("click", (event) => event.preventDefault());

theme(at("theme"));
mode("turns");
if (!recorded) setInterval(tick, 500);

let placed = false;
live((message) => {
  store.take(message);
  if (recorded) older.next("sessions");
  health(strip, store.health, connection);
  if (!placed) { placed = true; place(); }
}, (state) => {
  if (state !== connection && (state === "locked" || state === "no connection" || connection === "no connection")) say(state);
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
  if (at("turn").contains(document.activeElement) || page.classList.contains("second")) { show(false); list.focus(); }
  else if (filter.value) search.clear();
}

function twist(open) {
  const line = store.mode === "sessions" && store.shown[store.at];
  if (line && !line.turn) turns.twist(line.session, open);
}

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  ArrowDown: () => move(1),
  ArrowUp: () => move(-1),
  ArrowRight: () => twist(true),
  ArrowLeft: () => twist(false),
  g: () => store.move(-Infinity),
  G: () => store.move(Infinity),
  s: () => mode(store.mode === "turns" ? "sessions" : "turns"),
  Enter: () => { if (store.at < 0) store.move(0); show(); (store.session ? at("turn") : view.body).focus(); },
  "/": () => { show(false); filter.focus(); filter.select(); },
  "?": () => keys(at("keys")),
  Escape: back,
};

/** In the search box. */
function typed(event) {
  if (search.key(event.key)) { event.preventDefault(); return; }
  if (event.key === "Escape" && filter.value) search.clear();
  else if (event.key === "Escape") list.focus();
  else if (event.key === "Enter") { list.focus(); if (store.at < 0) { store.choose(null); store.move(0); } }
  else return;
  event.preventDefault();
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || at("keys").open) return;
  if (event.target === filter) return typed(event);
  if (event.target.closest("input, textarea, select")) return;
  if (event.key === "Enter" && event.target.closest("button, summary, a")) return;
  const action = /^[1-8]$/.test(event.key) ? () => view.openNumber(Number(event.key) - 1) : KEYS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

list.focus();
