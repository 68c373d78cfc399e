// All turns the server has told of, the filter, and which turn is chosen. Knows no elements.

const FIELDS = {
  id: (turn) => turn.id,
  code: (turn) => turn.code ?? "",
  state: (turn) => turn.state,
  surface: (turn) => turn.surface,
  model: (turn) => `${turn.model} ${turn.target}`,
  tool: (turn) => turn.tools.join(" "),
};
const WORDS = (turn) => `${turn.asked}\n${Object.values(FIELDS).map((field) => field(turn)).join("\n")}`;

/** `code:upstream_drop -surface:chat words` → a predicate. All terms must hold; `-` turns one round. */
export function parse(text) {
  const terms = text.toLowerCase().split(/\s+/).filter(Boolean).map((term) => {
    const not = term.length > 1 && term.startsWith("-");
    const [, name, value] = /^(\w+):(.*)$/s.exec(not ? term.slice(1) : term) ?? [];
    const known = Object.hasOwn(FIELDS, name ?? "");
    const wanted = known ? value : not ? term.slice(1) : term;
    const field = known ? FIELDS[name] : WORDS;
    return (turn) => field(turn).toLowerCase().includes(wanted) !== not;
  });
  return (turn) => terms.every((term) => term(turn));
}

export class Store {
  constructor() {
    this.turns = new Map();
    this.shown = [];          // newest first, as filtered
    this.chosen = null;       // turn id
    this.health = {};
    this.version = 0;
    this.listeners = new Set();
    this.matches = parse("");
  }

  /** One message of the live stream. */
  take({ all, turns, gone, health }) {
    if (all) this.turns.clear();
    for (const id of gone) this.turns.delete(id);
    for (const turn of turns) {
      turn.since = performance.now() - turn.state_ms;
      turn.began = performance.now() - turn.total_ms;
      turn.version = ++this.version;
      this.turns.set(turn.id, turn);
    }
    this.health = health;
    this.arrange();
  }

  filter(text) {
    this.matches = parse(text);
    this.arrange();
  }

  choose(id) {
    if (id === this.chosen) return;
    this.chosen = id;
    this.tell();
  }

  /** Choose the turn `by` places further down the list. */
  move(by) {
    if (!this.shown.length) return;
    const at = this.shown.findIndex((turn) => turn.id === this.chosen);
    const to = at < 0 ? 0 : Math.min(this.shown.length - 1, Math.max(0, at + by));
    this.choose(this.shown[to].id);
  }

  get turn() { return this.turns.get(this.chosen) ?? null; }

  arrange() {
    this.shown = [...this.turns.values()].filter(this.matches).sort((a, b) => b.received_ms - a.received_ms);
    this.tell();
  }

  tell() { for (const listener of this.listeners) listener(this); }
}
