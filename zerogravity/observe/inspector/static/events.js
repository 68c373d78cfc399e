// Upstream events and emitted frames, linked: choose one, and its cause or its effects light up with their bytes.

import { get, recorded } from "./api.js";
import { bytes, empty, fill, h, ms, whole } from "./dom.js";
import { Pages, VirtualList } from "./virtual.js";

const ROW = 22;
const CUT = 400;  // of a row's text
const BEGIN = -1;  // the cause of what stood before the first event
const line = (text) => text.replaceAll("\r", "").replaceAll("\n", "⏎");

/** How many characters at their beginning two frames share; their counters do not count. */
function shared(text, before) {
  let i = 0, j = 0;
  const walk = () => { while (i < text.length && text[i] === before[j]) { i++; j++; } };
  const digits = (of, at) => { while (of[at] >= "0" && of[at] <= "9") at++; return at; };
  walk();
  if (/"sequence_number":\d*$/.test(text.slice(0, i))) {
    i = digits(text, i);
    j = digits(before, j);
    walk();
  }
  return i;
}

/** One line of `text` without what it shares with the line before: frames differ near their ends only. */
function news(text, before) {
  const same = before ? shared(text, before) : 0;
  const cut = Math.max(text.lastIndexOf("{", same - 1), text.lastIndexOf(",", same - 1));
  return same && cut > 16 ? [h("span", { class: "dim" }, "… "), line(text.slice(text[cut] === "," ? cut + 1 : cut).trimStart())] : line(text);
}

const pretty = (text) => { try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; } };
const place = (record) => (record.seq === BEGIN ? "before the first event" : record.size || record.span[1]
  ? `call ${record.call} · bytes ${whole(record.span[0])}–${whole(record.span[1])}` : "added by zerogravity, without bytes");

/** A list of rows from one endpoint, in which those of one record can be lit. */
class Side {
  constructor(box, id, name, { height, draw, seq, failed, choose }) {
    this.lit = null;
    this.seq = seq;
    this.pages = new Pages((from, limit) => get("turns", id, name, { from, limit }), () => this.list.set(this.pages.total), failed);
    this.list = new VirtualList(box, {
      height,
      key: (n) => { const row = this.pages.row(n); return row ? `${seq(row)} ${seq(row) === this.lit}` : "…"; },
      draw: (n) => {
        const row = this.pages.row(n);
        if (!row) return h("div", { class: "event dim" }, "…");
        const lit = seq(row) === this.lit;
        return h("div", { class: lit ? "event lit" : "event", data: { seq: seq(row) } }, draw(row, n ? this.pages.row(n - 1) : null));
      },
    });
    box.addEventListener("click", (event) => {
      const row = event.target.closest("[data-seq]");
      if (row) choose(Number(row.dataset.seq), this);
    });
    this.pages.grow();
  }

  light(seq, at) {
    this.lit = seq;
    if (at === null) this.list.refresh(); else this.list.reveal(at);
  }
}

/** What both panes share: the chosen event, its bytes, and the frames it caused. */
class Linked {
  constructor(box, id, failed) {
    this.id = id;
    this.failed = failed;
    this.sides = [];
    this.chosen = null;
    this.cause = h("section", {}, empty("Select an event or a frame."));
    this.effect = h("section", {});
    this.detail = h("div", { class: "detail two" }, this.cause, this.effect);
    this.layout(box);
  }

  async choose(seq, from) {
    if (seq < BEGIN || Number.isNaN(seq)) return;
    this.chosen = seq;
    for (const side of this.sides) side.light(seq, side === this.events && from !== side && seq !== BEGIN ? seq : null);
    try {
      const { record, frames, first_frame: at } = await get("turns", this.id, "records", seq);
      if (this.chosen !== seq) return;
      this.show(record, frames);
      if (this.frames && from !== this.frames && frames.length) this.frames.light(seq, at);
    } catch (error) { this.failed(error); }
  }

  show(record, frames) {
    const more = frames.length === 1 ? "1 frame" : `${frames.length} frames`;
    fill(this.cause, h("h2", {}, `event ${record.seq === BEGIN ? "–" : record.seq} `, h("span", { class: "dim" }, place(record))),
      record.data && h("pre", { class: "bytes" }, record.data),
      record.events.length > 0 && [h("div", { class: "label" }, "decoded as"), h("pre", {}, pretty(JSON.stringify(record.events)))]);
    fill(this.effect, h("h2", {}, `${more} ${this.sent === false ? "that streaming would have sent" : "sent"}`, frames.length ? h("span", { class: "dim" }, frames.length > 1 ? ` frames ${frames[0].n}–${frames.at(-1).n}` : ` frame ${frames[0].n}`) : null),
      frames.length ? frames.map((frame) => h("pre", { class: "bytes" }, frame.text.trimEnd())) : empty("This event sends nothing to the client."));
  }

  /** The next or the previous event. */
  step(by) {
    const total = this.events.pages.total;
    if (total) this.choose(Math.min(total - 1, Math.max(0, (this.chosen ?? -by) + by)), null);
  }

  leave() {
    if (this.chosen === null) return false;
    this.chosen = null;
    for (const side of this.sides) side.light(null, null);
    fill(this.cause, empty("Select an event or a frame."));
    fill(this.effect);
    return true;
  }

  update(details, turn) {
    this.sent = turn.stream || recorded;
    this.titled?.replaceChildren(`out: ${turn.stream ? "frames to the client" : recorded ? "the answer to the client" : "as it would have been streamed"}`);
    for (const side of this.sides) {
      const end = !turn.closed && side.list.atEnd && side.pages.total > 0;
      if (side.seen !== turn.records) side.pages.grow()?.then?.(() => end && this.chosen === null && side.list.reveal(side.pages.total - 1));
      side.seen = turn.records;
    }
  }
}

export class Events extends Linked {
  layout(box) {
    const list = h("div", { class: "events" });
    const head = h("div", { class: "event titles dim" }, ["seq", "at", "Δ", "call", "kind", "bytes", "from–to", "what"].map((name) => h("span", {}, name)));
    fill(box, h("div", { class: "split" }, h("div", { class: "listing" }, head, list), this.detail));
    this.events = new Side(list, this.id, "records", {
      height: ROW, seq: (row) => row.seq, failed: this.failed, choose: (seq, side) => this.choose(seq, side),
      draw: (row) => [String(row.seq), ms(row.ms), h("span", { class: row.gap > 2000 ? "bad" : "" }, ms(row.gap)), row.call < 0 ? "–" : String(row.call),
        row.kinds.join(" "), row.size ? bytes(row.size) : "", row.span[1] ? `${row.span[0]}–${row.span[1]}` : "", line(row.brief)]
        .map((cell) => (cell instanceof Node ? cell : h("span", {}, cell))),
    });
    this.sides = [this.events];
  }
}

export class Raw extends Linked {
  layout(box) {
    const [into, out] = [h("div", { class: "events raw" }), h("div", { class: "events raw" })];
    const choose = (seq, side) => this.choose(seq, side);
    this.titled = h("span", {});
    fill(box, h("div", { class: "split" }, h("div", { class: "two" },
      h("section", { class: "listing" }, h("h2", {}, "in: Google's events", h("span", { class: "dim" }, " byte offset")), into),
      h("section", { class: "listing" }, h("h2", {}, this.titled, h("span", { class: "dim" }, " number")), out)), this.detail));
    this.events = new Side(into, this.id, "records", { height: ROW, seq: (row) => row.seq, failed: this.failed, choose,
      draw: (row, before) => [h("span", { class: "dim" }, row.span[1] ? String(row.span[0]) : "–"),
        row.size ? h("span", {}, news(`data: ${row.data.slice(0, CUT)}`, `data: ${before?.data}`)) : h("span", { class: "dim" }, `${row.kinds.join(" ")} ${row.brief}`)] });
    this.frames = new Side(out, this.id, "frames", { height: ROW, seq: (row) => row.record, failed: this.failed, choose,
      draw: (row, before) => [h("span", { class: "dim" }, String(row.n)), h("span", {}, news(row.text.slice(0, CUT).trimEnd(), before?.text))] });
    this.sides = [this.events, this.frames];
  }
}
