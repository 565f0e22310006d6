import { CodedError } from '../../base/index.ts';
import { TEXT_PIECE_BYTES } from '../value-sink.ts';
import { LZF_WINDOW_BYTES } from './lzf.ts';

/** What this needs of a cursor and a sink; they live above the kernels. */
type Input = {
  readonly offset: number;
  byte(): number;
};
type TextSink = {
  text(bytes: Uint8Array, start: number, end: number, last: boolean, total: number): void;
};

/** The longest run that one control byte can produce. */
const LONGEST_RUN = 264;

/**
 * Decompresses an LZF string that is too long to be held, keeping the window that references can
 * reach, and hands it on in pieces. Throws RDB_CORRUPT.
 */
export function forwardLzf(input: Input, packed: number, size: number, sink: TextSink): void {
  const buffer = Buffer.allocUnsafe(LZF_WINDOW_BYTES + TEXT_PIECE_BYTES + LONGEST_RUN);
  const pieceAt = LZF_WINDOW_BYTES;
  let op = pieceAt;
  let produced = 0;
  let left = packed;
  const take = (): number => {
    if (--left < 0) throw corrupt(input.offset);
    return input.byte();
  };
  while (left > 0) {
    const control = take();
    let run = control + 1;
    if (control < 32) {
      for (let i = 0; i < run; i++) buffer[op + i] = take();
    } else {
      run = control >>> 5;
      if (run === 7) run += take();
      run += 2;
      const distance = (((control & 31) << 8) | take()) + 1;
      if (distance > produced) throw corrupt(input.offset);
      for (let i = 0; i < run; i++) buffer[op + i] = buffer[op + i - distance];
    }
    op += run;
    produced += run;
    if (produced > size) throw corrupt(input.offset);
    while (op - pieceAt >= TEXT_PIECE_BYTES && produced < size) {
      sink.text(buffer, pieceAt, pieceAt + TEXT_PIECE_BYTES, false, size);
      buffer.copyWithin(0, TEXT_PIECE_BYTES, op);
      op -= TEXT_PIECE_BYTES;
    }
  }
  if (produced !== size) throw corrupt(input.offset);
  const rest = op - pieceAt;
  if (rest > TEXT_PIECE_BYTES) {
    sink.text(buffer, pieceAt, pieceAt + TEXT_PIECE_BYTES, false, size);
    sink.text(buffer, pieceAt + TEXT_PIECE_BYTES, op, true, size);
  } else sink.text(buffer, pieceAt, op, true, size);
}

function corrupt(offset: number): CodedError {
  return new CodedError('RDB_CORRUPT', `Cannot decompress an LZF string before offset ${offset}`, {
    offset,
  });
}
