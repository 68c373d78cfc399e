// What is said in the turns of an exported page: {turn id: {part: text}} in a block of its own, which is read at the
// first search. A served page has none: the server searches.

const AROUND = 60;  // characters of a snippet on each side of what was found
let texts = null;

/** [{part, text, lower}] of a turn. */
export function textsOf(id) {
  const block = document.getElementById("texts");
  if (!block) return [];
  texts ??= new Map(Object.entries(JSON.parse(block.textContent)).map(([turn, parts]) =>
    [turn, Object.entries(parts).map(([part, text]) => ({ part, text, lower: text.toLowerCase() }))]));
  return texts.get(id) ?? [];
}

/** Where the first of `words` stands in a turn's texts: {part, text}; null: nowhere. */
export function snippet(id, words) {
  for (const word of words)
    for (const { part, text, lower } of textsOf(id)) {
      const at = lower.indexOf(word), from = Math.max(0, at - AROUND), to = at + word.length + AROUND;
      if (at < 0) continue;
      const line = text.slice(from, to).trim().replace(/\s+/g, " ");
      return { part, text: `${from ? "…" : ""}${line}${to < text.length ? "…" : ""}` };
    }
  return null;
}
