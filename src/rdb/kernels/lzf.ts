import { CodedError } from '../../base/index.ts';

/**
 * LZF, as RDB strings use it (docs/formats/rdb.md, strings). A control byte below 32 is followed by
 * that many + 1 literal bytes; otherwise its three high bits (7: plus a length byte) + 2 bytes are
 * copied from up to 8 KiB back:
 *
 *   000LLLLL literals…                      L + 1 literals
 *   LLLooooo oooooooo                       L + 2 bytes from distance o + 1, L < 7
 *   111ooooo LLLLLLLL oooooooo              L + 9 bytes from distance o + 1
 */
export const LZF_WINDOW_BYTES = 8192;

/**
 * Decompresses `[start, end)` of `input` to exactly `length` bytes at `at` of `output`.
 * `offset` is where `start` lies in the dump, for messages. Throws RDB_CORRUPT.
 */
export function lzfDecompress(
  input: Uint8Array,
  start: number,
  end: number,
  output: Uint8Array,
  at: number,
  length: number,
  offset: number,
): void {
  let ip = start;
  let op = at;
  const stop = at + length;
  while (ip < end) {
    const control = input[ip++];
    if (control < 32) {
      const run = control + 1;
      if (ip + run > end || op + run > stop) throw corrupt(offset + ip - start);
      for (let i = 0; i < run; i++) output[op++] = input[ip++];
      continue;
    }
    let run = control >>> 5;
    if (run === 7) {
      if (ip >= end) throw corrupt(offset + ip - start);
      run += input[ip++];
    }
    run += 2;
    if (ip >= end) throw corrupt(offset + ip - start);
    const distance = (((control & 31) << 8) | input[ip++]) + 1;
    const from = op - distance;
    if (from < at || op + run > stop) throw corrupt(offset + ip - start);
    if (run >= 32 && distance >= run) {
      output.copyWithin(op, from, from + run);
      op += run;
    } else {
      for (let i = 0; i < run; i++) output[op + i] = output[from + i];
      op += run;
    }
  }
  if (op !== stop) throw corrupt(offset + ip - start);
}

function corrupt(offset: number): CodedError {
  return new CodedError('RDB_CORRUPT', `Cannot decompress an LZF string at offset ${offset}`, {
    offset,
  });
}
