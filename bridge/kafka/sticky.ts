/** Which member of the group gets which partitions: evenly, and what a member holds it keeps. */

export interface Member {
  readonly id: string;
  /** What it works on, as it says itself. */
  readonly held: readonly number[];
  /** When Kafka last confirmed that, milliseconds since 1970: of two that claim the same, the later one counts. */
  readonly confirmedAt: number;
}

/** Every partition from 0 to `partitions` - 1 to exactly one member; counts differ by one at most. */
export function assignSticky(members: readonly Member[], partitions: number): Map<string, number[]> {
  const sorted = [...members].sort((a, b) => (a.id < b.id ? -1 : 1));
  const assigned = new Map<string, number[]>(sorted.map(({ id }) => [id, []]));
  const taken = new Set<number>();
  const claims = [...sorted].sort((a, b) => b.confirmedAt - a.confirmedAt);
  const least = Math.floor(partitions / sorted.length);
  // As many members as there are partitions left over hold one more; those who hold more now come first.
  let more = partitions % sorted.length;
  const kept = claims.map(({ id, held }) => {
    const mine = [...new Set(held)].filter(
      (one) => Number.isInteger(one) && one >= 0 && one < partitions && !taken.has(one),
    );
    for (const partition of mine) taken.add(partition);
    return { id, mine };
  });
  taken.clear();
  for (const { id, mine } of kept.sort((a, b) => b.mine.length - a.mine.length)) {
    const extra = more > 0 && mine.length > least ? 1 : 0;
    more -= extra;
    const keeps = mine.slice(0, least + extra);
    assigned.set(id, keeps);
    for (const partition of keeps) taken.add(partition);
  }
  const free = Array.from({ length: partitions }, (_, partition) => partition).filter((one) => !taken.has(one));
  for (const partition of free) {
    const [fewest] = [...assigned.values()].sort((a, b) => a.length - b.length);
    fewest?.push(partition);
  }
  return assigned;
}
