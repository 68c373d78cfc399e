// Sessions as lines of the list: each, and the turns of those that are open as a tree: a side line (a sub-agent, an
// edited question) is indented below the turn that it left from.

/** The turns of one session, oldest first → [{turn, depth}]: the main line, each side line behind the turn that it goes
 *  on from; one that begins something: behind the turn of the main line before it. As `trace show SESSION` draws it. */
export function tree(turns) {
  const ids = new Set(turns.map((turn) => turn.id)), lines = new Map(), sides = new Map();  // id of a turn → the side lines behind it
  for (const turn of turns) lines.set(turn.branch ?? "", [...lines.get(turn.branch ?? "") ?? [], turn]);
  let main = "";
  for (const turn of turns) {
    const branch = turn.branch ?? "";
    if (branch && lines.get(branch)[0] === turn) {
      const before = ids.has(turn.previous) ? turn.previous : main;
      sides.set(before, [...sides.get(before) ?? [], branch]);
    }
    if (!branch) main = turn.id;
  }
  const made = [];
  const walk = (line, depth) => {
    const own = lines.get(line) ?? [];
    lines.delete(line);
    for (const turn of own) {
      made.push({ turn, depth });
      for (const side of sides.get(turn.id) ?? []) walk(side, depth + 1);
    }
  };
  for (const side of sides.get("") ?? []) walk(side, 1);
  walk("", 0);
  for (const line of [...lines.keys()]) walk(line, 1);  // whose beginning is not known: nothing is hidden
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
