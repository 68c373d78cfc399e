// Sessions as lines of the list: each, and the turns of those that are open as a tree: a side line (a sub-agent, an
// edited question) is indented below the turn that it left from.

/** The turns of one session, oldest first → [{turn, depth}], side lines below the turn before them. */
export function tree(turns) {
  const ids = new Set(turns.map((turn) => turn.id)), lines = new Map();
  for (const turn of turns) {
    const line = turn.branch ?? "";
    if (!lines.has(line)) lines.set(line, []);
    lines.get(line).push(turn);
  }
  const parts = new Map();  // id of a turn → the side lines that begin after it
  for (const [branch, [first]] of lines) {
    if (!branch) continue;
    const before = ids.has(first.previous) ? first.previous
      : turns.findLast((turn) => turn.created < first.created && turn.branch !== branch)?.id ?? "";
    parts.set(before, [...parts.get(before) ?? [], branch]);
  }
  const made = [];
  const walk = (line, depth) => {
    for (const turn of lines.get(line) ?? []) {
      made.push({ turn, depth });
      for (const branch of parts.get(turn.id) ?? []) walk(branch, depth + 1);
    }
  };
  for (const branch of parts.get("") ?? []) walk(branch, 1);
  walk("", 0);
  if (made.length < turns.length) {  // ids that contradict one another must hide nothing
    const shown = new Set(made.map(({ turn }) => turn));
    for (const turn of turns) if (!shown.has(turn)) made.push({ turn, depth: 1 });
  }
  return made;
}

/** What the list shows in mode "sessions". */
export function lines(store) {
  const shown = new Set(store.order), matching = new Map();
  if (!store.query.empty) {
    for (const turn of store.turns.values())
      if (turn.session && store.matches(turn)) matching.set(turn.session, (matching.get(turn.session) ?? 0) + 1);
    for (const session of matching.keys()) if (store.sessions.has(session)) shown.add(session);
  }
  const made = [];
  for (const session of [...shown].sort((a, b) => store.sessions.get(b).ended - store.sessions.get(a).ended)) {
    made.push({ session });
    if (store.open.has(session)) made.push(...tree(store.of(session)));
  }
  return made;
}
