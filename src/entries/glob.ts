/**
 * Redis glob patterns on bytes, as KEYS and SCAN MATCH understand them: `*`, `?`, `[a-z]`, `[^…]`
 * and a backslash before a byte that stands for itself. Linear in practice: one star remembers
 * where to go on, as a later star makes an earlier one's choices final.
 */
export function matchesGlob(
  pattern: Uint8Array,
  bytes: Uint8Array,
  start: number,
  end: number,
): boolean {
  let p = 0;
  let s = start;
  let starAt = -1;
  let starText = 0;
  for (;;) {
    if (p < pattern.length && pattern[p] === STAR) {
      starAt = ++p;
      starText = s;
      continue;
    }
    if (s === end) return p === pattern.length;
    const next = p < pattern.length ? matchOne(pattern, p, bytes[s]) : -1;
    if (next >= 0) {
      p = next;
      s++;
    } else if (starAt >= 0) {
      p = starAt;
      s = ++starText;
    } else return false;
  }
}

const STAR = 0x2a;
const QUESTION = 0x3f;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const CARET = 0x5e;
const DASH = 0x2d;
const BACKSLASH = 0x5c;

/** Where the pattern goes on when `byte` matches its element at `p`; -1 when it does not. */
function matchOne(pattern: Uint8Array, p: number, byte: number): number {
  const element = pattern[p];
  if (element === QUESTION) return p + 1;
  if (element === OPEN) return matchClass(pattern, p + 1, byte);
  if (element === BACKSLASH && p + 1 < pattern.length) {
    return pattern[p + 1] === byte ? p + 2 : -1;
  }
  return element === byte ? p + 1 : -1;
}

/**
 * As in Redis: a class that is never closed ends with the pattern; an escaped byte begins no range;
 * a closing bracket can be the end of a range.
 */
function matchClass(pattern: Uint8Array, from: number, byte: number): number {
  const end = pattern.length;
  let p = from;
  const negated = pattern[p] === CARET;
  if (negated) p++;
  let found = false;
  while (p < end) {
    if (pattern[p] === BACKSLASH && p + 1 < end) {
      if (pattern[p + 1] === byte) found = true;
      p += 2;
    } else if (pattern[p] === CLOSE) break;
    else if (pattern[p + 1] === DASH && p + 2 < end) {
      const low = Math.min(pattern[p], pattern[p + 2]);
      const high = Math.max(pattern[p], pattern[p + 2]);
      if (byte >= low && byte <= high) found = true;
      p += 3;
    } else {
      if (pattern[p] === byte) found = true;
      p++;
    }
  }
  return found === negated ? -1 : Math.min(p + 1, end);
}
