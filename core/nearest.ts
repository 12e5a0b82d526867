/** The candidate that somebody most likely meant: with the fewest edits, if these are few; else one that contains the word. */
export function nearestOf(word: string, candidates: readonly string[]): string | undefined {
  const ranked = candidates
    .map((candidate) => ({ candidate, edits: editDistance(plain(word), plain(candidate)) }))
    .sort((a, b) => a.edits - b.edits)[0];
  if (ranked !== undefined && ranked.edits <= (word.length < 4 ? 1 : Math.max(2, Math.min(4, word.length / 3))))
    return ranked.candidate;
  return word.length < 3 ? undefined : candidates.find((candidate) => candidate.includes(word));
}

/** `pollInterval`, `Poll-Interval` and `poll_interval` are the same word. */
function plain(word: string): string {
  return word.slice(0, 64).toLowerCase().replace(/[-_ ]/g, "");
}

/** Levenshtein distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
