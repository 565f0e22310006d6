/**
 * Decompresses LZF (src/rdb/kernels/lzf.ts has the format). Copies go in steps of 16 bytes: up to
 * 15 bytes behind `to + length` are overwritten and up to 15 behind `end` are read, so both need
 * that much memory of no importance behind them.
 */
export const LZF_SLACK: usize = 16;

/**
 * Decompresses `[start, end)` to exactly `length` bytes at `to`. False when that is not possible;
 * what lies at `to` is then of no importance.
 */
export function lzfDecompress(start: usize, end: usize, to: usize, length: usize): bool {
  let ip = start;
  let op = to;
  const stop = to + length;
  while (ip < end) {
    const control = <usize>load<u8>(ip++);
    if (control < 32) {
      const run = control + 1;
      if (run > end - ip || run > stop - op) return false;
      v128.store(op, v128.load(ip));
      if (run > 16) v128.store(op + 16, v128.load(ip + 16));
      ip += run;
      op += run;
      continue;
    }
    let run = control >> 5;
    if (run === 7) {
      if (ip >= end) return false;
      run += load<u8>(ip++);
    }
    run += 2;
    if (ip >= end) return false;
    const distance = (((control & 31) << 8) | load<u8>(ip++)) + 1;
    if (distance > op - to || run > stop - op) return false;
    copyBack(op, distance, run);
    op += run;
  }
  return op === stop;
}

/** Copies `run` bytes from `distance` before `op` to `op`; they may overlap, which repeats them. */
function copyBack(op: usize, distance: usize, run: usize): void {
  let from = op - distance;
  const stop = op + run;
  if (distance < 16) {
    // What is repeated doubles with each step until a whole vector fits between.
    if (distance === 1) {
      const all = i8x16.splat(load<u8>(from));
      for (; op < stop; op += 16) v128.store(op, all);
      return;
    }
    let gap = distance;
    while (gap < 16) {
      v128.store(op, v128.load(from));
      if (stop - op <= gap) return;
      op += gap;
      gap <<= 1;
    }
  }
  for (; op < stop; op += 16, from += 16) v128.store(op, v128.load(from));
}
