// The four bodies of a turn: what the client sent, what the language server wanted to send, what was sent instead, and
// what Google answered; what differs between the second and the third, and between the first and that of the turn before.

import { Gone, get } from "./api.js";
import { difference } from "./diff.js";
import { bytes, empty, fill, h } from "./dom.js";

const CUT = 200000;

function whole(text) {
  if (text === null) return empty("Not available: only the newest turns keep their bodies in memory.");
  const pre = h("pre", { class: "box" }, text.slice(0, CUT));
  if (text.length <= CUT) return pre;
  const more = h("button", { type: "button", onclick: () => { pre.textContent = text; more.remove(); } }, `show all ${bytes(text.length)}`);
  return [pre, more];
}

export class Bodies {
  constructor(box, id, failed) {
    this.id = id;
    this.failed = failed;
    this.shown = "LS → Google: what changed";
    this.choice = h("div", { class: "choice" });
    this.body = h("div", {}, empty("…"));
    fill(box, this.choice, this.body);
    this.load();
  }

  async load() {
    try { this.draw(await get("turns", this.id, "bodies")); } catch (error) { this.failed(error); }
  }

  /** Name of the view → how to draw it. */
  views({ client_request: client, upstream, answer, answer_size: size }) {
    const views = new Map();
    const many = upstream.length > 1;
    views.set("LS → Google: what changed", () => upstream.length
      ? upstream.map(({ call, original, sent }) => [many && h("h2", {}, `call ${call}`), difference(original, sent)])
      : empty("No call of this turn was rewritten, or its bodies are no longer in memory."));
    views.set("client's request", () => whole(client));
    if (this.previous) views.set("new since the turn before", () => this.news(client));
    upstream.forEach(({ call, original, sent }) => {
      const which = many ? ` (call ${call})` : "";
      views.set(`language server's request${which}`, () => whole(original));
      views.set(`sent to Google${which}`, () => [this.line(call), whole(sent)]);
    });
    views.set("Google's answer", () => size
      ? [answer.length < size && h("p", { class: "dim" }, `The beginning of ${bytes(size)}; the Events pane has all of it.`), whole(answer)]
      : empty("Google sent nothing."));
    return views;
  }

  /** The client's request against that of the turn before. */
  news(client) {
    const box = h("div", {}, empty("…"));
    const named = h("p", { class: "dim" }, "the turn before: ", h("a", { href: `#${this.previous}/Bodies` }, this.previous));
    get("turns", this.previous, "bodies").then(
      ({ client_request: before }) => fill(box, named, before && client ? difference(before, client)
        : empty("Not available: the request of one of the two turns is no longer kept.")),
      (error) => (error instanceof Gone ? fill(box, named, empty("The turn before is no longer there.")) : this.failed(error)));
    return box;
  }

  /** Where a call went, and how. */
  line(call) {
    const found = this.lines?.find((line) => line.call === call);
    return found && h("p", { class: "dim" }, `${found.method} ${found.url} ${found.http_version}`);
  }

  draw(bodies) {
    this.bodies = bodies;
    const views = this.views(bodies);
    const show = (name) => {
      this.shown = name;
      fill(this.choice, [...views.keys()].map((other) =>
        h("button", { type: "button", "aria-pressed": String(other === name), onclick: () => show(other) }, other)));
      fill(this.body, views.get(name)());
    };
    show(views.has(this.shown) ? this.shown : views.keys().next().value);
  }

  update(details, turn) {
    this.lines = details.upstream;
    if (this.previous !== turn.previous) {
      this.previous = turn.previous;
      if (this.bodies) this.draw(this.bodies);
    }
    const state = `${turn.calls} ${turn.closed}`;
    if (this.state !== undefined && this.state !== state) this.load();
    this.state = state;
  }
}
