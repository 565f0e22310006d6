/**
 * What `work` makes of the items, in their order, with at most `atOnce` of them under way. A
 * failure surfaces in its turn.
 */
export async function* inOrder<T, R>(
  items: Iterable<T>,
  atOnce: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const under: Promise<R>[] = [];
  for (const item of items) {
    const result = work(item);
    // Awaited in its turn; until then its failure is nobody's surprise.
    result.catch(() => {});
    under.push(result);
    if (under.length >= atOnce) yield await (under.shift() as Promise<R>);
  }
  for (const result of under) yield await result;
}
