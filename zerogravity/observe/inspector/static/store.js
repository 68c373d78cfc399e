// All turns known to the server, the filter, and the selected turn. Knows no elements.

const FIELDS = {
  code: (turn) => turn.code ?? "",
  state: (turn) => turn.state,
  surface: (turn) => turn.surface,
  model: (turn) => `${turn.model} ${turn.target}`,
  tool: (turn) => turn.tools.join(" "),
  conversation: (turn) => turn.conversation,
  id: (turn) => turn.id,
};
// Bare words are not looked for in ids: a short number would be found in every tenth of them.
const WORDS = (turn) => [turn.question, turn.label, turn.code, turn.state, turn.surface, turn.model, turn.target, ...turn.tools].join("\n");

/** `code:upstream_drop -surface:chat words turn_12ab` → a predicate. All terms must hold; `-` turns one round. */
export function parse(text) {
  const terms = text.toLowerCase().split(/\s+/).filter(Boolean).map((term) => {
    const not = term.length > 1 && term.startsWith("-");
    const plain = not ? term.slice(1) : term;
    const [, name, value] = /^(\w+):(.*)$/s.exec(plain) ?? [];
    const known = name !== undefined && Object.hasOwn(FIELDS, name);
    const field = known ? FIELDS[name] : plain.startsWith("turn_") ? FIELDS.id : WORDS;
    const wanted = known ? value : plain;
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
