/**
 * Ways to cut `length` bytes: whole, byte by byte, and `count` random ones from a fixed seed. For
 * the tests of decoders that take bytes cut anywhere.
 */
export function splitsOf(length: number, count: number, seed = 1): number[][] {
  const ways: number[][] = [[], Array.from({ length: length - 1 }, (_, i) => i + 1)];
  let state = seed;
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  for (let i = 0; i < count; i++) {
    const cuts = Array.from({ length: 1 + random(8) }, () => random(length));
    ways.push(cuts.sort((a, b) => a - b));
  }
  return ways;
}
