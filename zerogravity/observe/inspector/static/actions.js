// What can be done with the chosen turn: a row of buttons in its head.

import { h } from "./dom.js";

/** The buttons for `turn`, a row of the list. */
export function actions(turn) {
  return h("span", { class: "actions", data: { turn: turn.id } });
}
