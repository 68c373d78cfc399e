// What can be done with the chosen turn: a bar in its head. It copies, downloads, notes and cancels.

import { get, recorded } from "./api.js";
import { menu, panel } from "./menu.js";
import { fill, h } from "./dom.js";

const LONGEST = 4000;
const COPIES = [
  ["Request as cURL", curl], ["Request as JSON", request], ["Text of the answer", answer], ["Id", ({ id }) => id],
  ["Link", link], ["Replay command", ({ id }) => `zerogravity replay ${id}`],
];
const FILES = [["HAR", "har"], ["JSON lines", "jsonl"], ["HTML page", "html"], ["Bundle (zip)", "bundle"]];
let bar = null;

/** The bar for `turn`, a row of the list: the same one as long as it is the same turn, so that it keeps the focus. */
export function actions(turn) {
  if (bar?.turn.id !== turn.id) bar = new Bar(turn);
  bar.update(turn);
  return bar.node;
}

class Bar {
  constructor(turn) {
    this.turn = turn;
    this.stored = turn.stored;
    this.said = h("span", { class: "said", role: "status" });
    this.star = h("button", { type: "button", class: "star", "aria-label": "star", onclick: () => this.change({ star: !this.turn.star }) });
    this.words = h("textarea", { rows: 4, maxlength: LONGEST, "aria-label": "note", placeholder: "What is worth knowing about this turn?" });
    this.noting = panel("Note", h("form", { onsubmit: (event) => { event.preventDefault(); this.note(); } }, this.words,
      h("button", { type: "submit" }, "Save")), () => { this.words.value = this.turn.note ?? ""; this.words.focus(); });
    this.words.addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.note(); });
    this.copying = menu("Copy", COPIES.map(([name, make]) => [name, () => this.copy(name, make)]));
    this.replay = this.copying.querySelector("[role=menuitem]:last-child");
    this.loading = menu("Download", FILES.map(([name, format]) => [name, () => this.download(name, format)]));
    this.cancel = h("button", { type: "button", class: "cancel", onclick: () => this.stop() }, "Cancel the turn");
    this.shown = h("span", { class: "noted grow" });
    this.node = h("div", { class: "actions", role: "group", "aria-label": "actions for this turn" },
      !recorded && [this.star, this.noting], this.copying, !recorded && [this.loading, this.cancel], this.said, this.shown);
    if (!recorded) this.ask();
  }

  update(turn) {
    this.turn = turn;
    this.star.textContent = turn.star ? "★" : "☆";
    this.star.setAttribute("aria-pressed", String(Boolean(turn.star)));
    this.star.title = turn.star ? "take the star away" : "star this turn";
    const running = !turn.closed && turn.surface !== "passive";
    if (!running && document.activeElement === this.cancel) this.star.focus();
    this.cancel.hidden = !running;
    this.replay.hidden = recorded || !this.stored;
    const note = `${recorded && turn.star ? "★ " : ""}${turn.note ?? ""}`;
    if (this.shown.textContent !== note) this.shown.textContent = this.shown.title = note;
  }

  /** What the server knows of the turn: its note, and whether it is on disk. */
  async ask() {
    try { this.take(await get("turns", this.turn.id, "note")); } catch { /* the turn is gone, which its view says */ }
  }

  take({ note, star, stored }) {
    this.stored = stored;
    Object.assign(this.turn, { note, star });
    this.update(this.turn);
  }

  say(text, bad = false) {
    this.said.classList.toggle("bad", bad);
    fill(this.said, text);
    clearTimeout(this.later);
    this.later = setTimeout(() => fill(this.said), bad ? 12000 : 4000);
  }

  async guarded(work) {
    try { await work(); } catch (error) { this.say(error.message, true); }
  }

  copy(name, make) {
    return this.guarded(async () => {
      await toClipboard(await make(this.turn));
      this.say(`${name}: copied`);
    });
  }

  download(name, format) {
    return this.guarded(async () => {
      this.say(`${name}: being made …`);
      const answer = await checked(await fetch(`api/turns/${this.turn.id}/export/${format}`));
      const file = /filename="([\w.-]+)"/.exec(answer.headers.get("Content-Disposition"))[1];
      const href = URL.createObjectURL(await answer.blob());
      h("a", { href, download: file }).click();
      setTimeout(() => URL.revokeObjectURL(href), 60000);
      this.say(`${file}: downloaded`);
    });
  }

  change(given) {
    return this.guarded(async () => {
      const told = await post(this.turn.id, "note", given);
      this.take(told);
      this.say(told.remark || ("note" in given ? "note saved" : told.star ? "starred" : "star taken away"));
    });
  }

  async note() {
    await this.change({ note: this.words.value });
    this.noting.close();
  }

  stop() {
    return this.guarded(async () => {
      await post(this.turn.id, "cancel", {});
      this.say("cancelled");
    });
  }
}

// -- what is copied -------------------------------------------------------------------------------------------------

async function request({ id }) {
  const { client_request: body } = await get("turns", id, "bodies");
  if (body === null) throw new Error("the client's request was not kept");
  return body;
}

async function curl(turn) {
  const { curl: head } = await get("turns", turn.id, "curl");
  if (head === null) throw new Error("the client's request was not kept");
  return `${head}\n${await request(turn)}\nJSON\n`;
}

async function answer({ id }) {
  const { items } = await get("turns", id);
  const text = items.filter(({ kind }) => kind === "text").map((item) => item.text).join("");
  if (!text) throw new Error("the answer has no text");
  return text;
}

/** Without the token: it opens for those who have the cookie. */
function link({ id }) {
  return `${location.href.split(/[?#]/)[0]}#${id}/${location.hash.split("/")[1] ?? "Conversation"}`;
}

async function toClipboard(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const box = h("textarea", { class: "clip" }, text);  // a page without TLS from another machine has no clipboard
  document.body.append(box);
  box.select();
  const done = document.execCommand("copy");
  box.remove();
  if (!done) throw new Error("the browser does not let this page copy");
}

// -- the server -----------------------------------------------------------------------------------------------------

async function post(id, what, body) {
  const headers = { "Content-Type": "application/json" };
  return (await checked(await fetch(`api/turns/${id}/${what}`, { method: "POST", headers, body: JSON.stringify(body) }))).json();
}

async function checked(answer) {
  if (!answer.ok) throw new Error((await answer.text()).trim());
  return answer;
}
