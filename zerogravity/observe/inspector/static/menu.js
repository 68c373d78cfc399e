// A button that opens something below it: a menu of actions, or a panel. By mouse and by keyboard; Escape closes it.

import { h } from "./dom.js";

/** menu("Copy", [["Id", f], …]): arrows go from item to item, and an item closes it. */
export function menu(name, items) {
  const buttons = items.map(([text, act]) =>
    h("button", { type: "button", role: "menuitem", tabindex: "-1", onclick: () => { made.close(); act(); } }, text));
  const list = h("div", { role: "menu", "aria-label": name }, buttons);
  const made = opener(name, list, "menu", () => shown()[0].focus());
  const shown = () => buttons.filter((button) => !button.hidden);
  list.addEventListener("keydown", (event) => {
    const all = shown(), last = all.length - 1, at = all.indexOf(document.activeElement);
    const to = { ArrowDown: at === last ? 0 : at + 1, ArrowUp: at > 0 ? at - 1 : last, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    all[to].focus();
  });
  return made;
}

/** panel("Note", element, opened): with fields, whose keys are nobody else's. */
export function panel(name, element, opened) {
  element.addEventListener("keydown", (event) => { if (event.key !== "Escape") event.stopPropagation(); });
  element.setAttribute("role", "dialog");
  element.setAttribute("aria-label", name);
  return opener(name, element, "dialog", opened);
}

function opener(name, inside, kind, opened) {
  const button = h("button", { type: "button", "aria-haspopup": kind, "aria-expanded": "false" }, name, " ▾");
  const box = h("div", { class: "box popup", hidden: true }, inside);
  const node = h("span", { class: "opener" }, button, box);
  const within = (target) => node.contains(target);
  const outside = ({ target }) => { if (!within(target)) show(false); };
  const show = (open) => {
    box.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    document[open ? "addEventListener" : "removeEventListener"]("pointerdown", outside);
  };
  node.close = () => {
    const focused = within(document.activeElement);
    show(false);
    if (focused) button.focus();
  };
  button.addEventListener("click", () => { if (box.hidden) { show(true); opened(); } else node.close(); });
  node.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" && event.target === button && box.hidden) button.click();
    else if (event.key !== "Escape" || box.hidden) return;
    else node.close();
    event.preventDefault();
    event.stopPropagation();
  });
  node.addEventListener("focusout", ({ relatedTarget }) => { if (relatedTarget && !within(relatedTarget)) show(false); });
  return node;
}
