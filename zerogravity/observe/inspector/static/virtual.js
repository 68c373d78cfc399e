// Long lists: only the rows in sight are elements. And pages: rows that are fetched when they come into sight.

const SPARE = 10;  // rows beyond the edge, so that scrolling does not show the seam

/** `height` of each row in px; `draw(n)` → element; `key(n)`: a row is drawn again only when its key has changed. */
export class VirtualList {
  constructor(box, { height, draw, key }) {
    this.box = box;
    this.height = height;
    this.draw = draw;
    this.key = key;
    this.total = 0;
    this.rows = new Map();
    this.sheet = document.createElement("div");
    this.sheet.className = "sheet";
    box.classList.add("virtual");
    box.append(this.sheet);
    box.addEventListener("scroll", () => this.later(), { passive: true });
    new ResizeObserver(() => this.later()).observe(box);
  }

  set(total) {
    this.total = total;
    this.sheet.style.height = `${total * this.height}px`;
    this.refresh();
  }

  later() {
    this.waiting ??= requestAnimationFrame(() => { this.waiting = null; this.refresh(); });
  }

  /** Draw what is in sight and has changed, drop the rest. */
  refresh() {
    const top = this.box.scrollTop;
    const first = Math.max(0, Math.floor(top / this.height) - SPARE);
    const last = Math.min(this.total, Math.ceil((top + this.box.clientHeight) / this.height) + SPARE);
    for (const [n, row] of this.rows) if (n < first || n >= last) { row.remove(); this.rows.delete(n); }
    for (let n = first; n < last; n++) {
      const old = this.rows.get(n), key = this.key(n);
      if (old && old.key === key) continue;
      const row = this.draw(n);
      row.key = key;
      row.style.top = `${n * this.height}px`;
      row.style.height = `${this.height}px`;
      if (old) old.replaceWith(row); else this.sheet.append(row);
      this.rows.set(n, row);
    }
  }

  /** Scroll so that row `n` is in sight; in the middle if it was not. */
  reveal(n) {
    const top = n * this.height, view = this.box.clientHeight;
    if (top < this.box.scrollTop || top + this.height > this.box.scrollTop + view)
      this.box.scrollTop = Math.max(0, top - view / 2 + this.height);
    this.refresh();
  }

  get atEnd() { return this.box.scrollTop + this.box.clientHeight >= this.total * this.height - 2 * this.height; }
}

const PAGE = 200, KEPT = 24;

/** `load(from, limit)` → {total, rows}; `changed(pages)` when rows have come. */
export class Pages {
  constructor(load, changed, failed) {
    this.load = load;
    this.changed = changed;
    this.failed = failed;
    this.total = 0;
    this.pages = new Map();
    this.pending = new Map();  // page on its way → whether it is wanted again
  }

  /** Row `n`, or undefined while its page is on the way. */
  row(n) {
    const number = Math.floor(n / PAGE), page = this.pages.get(number);
    if (page?.[n % PAGE] === undefined) this.fetch(number);
    return page?.[n % PAGE];
  }

  /** There may be more rows than before: the last page is fetched again. */
  grow() {
    const last = Math.floor(Math.max(0, this.total - 1) / PAGE);
    if (this.pending.has(last)) this.pending.set(last, true);
    return this.fetch(last);
  }

  async fetch(number) {
    if (this.pending.has(number)) return;
    this.pending.set(number, false);
    try {
      const { total, rows } = await this.load(number * PAGE, PAGE);
      this.pages.delete(number);
      this.pages.set(number, rows);
      if (this.pages.size > KEPT) this.pages.delete(this.pages.keys().next().value);
      this.total = total;
      const again = this.pending.get(number);
      this.pending.delete(number);
      this.changed(this);
      if (again) this.fetch(number);
    } catch (error) {
      setTimeout(() => this.pending.delete(number), 2000);
      this.failed(error);
    }
  }
}
