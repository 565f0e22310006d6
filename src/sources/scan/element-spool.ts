import { CodedError } from '../../base/index.ts';
import {
  type StreamInfo,
  TEXT_PIECE_BYTES,
  type ValueKind,
  type ValueSink,
} from '../../rdb/index.ts';
import { TempFile } from './temp-file.ts';

/** What follows: text: u32 length and bytes; score, expiry: f64; entry: five u32. */
const TEXT = 1;
const SCORE = 2;
const EXPIRY = 3;
const ENTRY = 4;
const RECORD_BYTES = { [SCORE]: 8, [EXPIRY]: 8, [ENTRY]: 20 } as const;

/**
 * The elements of one value, on their way from many replies to one `ValueSink`: kept in a temporary
 * file until their number is known, and dropped when the value has changed meanwhile.
 */
export class ElementSpool {
  /** Elements so far: pairs of a hash, entries of a stream; bytes of a string. */
  count = 0;
  readonly #file: TempFile;
  readonly #record = Buffer.alloc(24);
  #isString = false;

  constructor(folder: string) {
    this.#file = new TempFile(folder);
  }

  begin(kind: ValueKind): void {
    this.#file.clear();
    this.count = 0;
    this.#isString = kind === 'string';
  }

  /** A part of a string. */
  stringPart(bytes: Uint8Array): void {
    this.#file.append(bytes);
    this.count += bytes.length;
  }

  text(bytes: Uint8Array): void {
    this.#record[0] = TEXT;
    this.#record.writeUInt32LE(bytes.length, 1);
    this.#file.append(this.#record, 0, 5);
    this.#file.append(bytes);
  }

  score(value: number): void {
    this.#double(SCORE, value);
  }

  fieldExpireAt(ms: number): void {
    this.#double(EXPIRY, ms);
  }

  streamEntry(ms: bigint, sequence: bigint, pairs: number): void {
    const record = this.#record;
    record[0] = ENTRY;
    record.writeUInt32LE(Number(ms >> 32n), 1);
    record.writeUInt32LE(Number(ms & 0xffffffffn), 5);
    record.writeUInt32LE(Number(sequence >> 32n), 9);
    record.writeUInt32LE(Number(sequence & 0xffffffffn), 13);
    record.writeUInt32LE(pairs, 17);
    this.#file.append(record, 0, 21);
  }

  /**
   * Hands the whole value to `sink`. Waits for `permission` about every MiB, so that whoever takes
   * the result can stop it.
   */
  async replay(
    kind: ValueKind,
    sink: ValueSink,
    info: StreamInfo | null,
    permission: () => Promise<void>,
  ): Promise<void> {
    sink.begin(kind, this.count);
    const player = this.#isString ? new StringPlayer(sink, this.count) : new RecordPlayer(sink);
    for (const piece of this.#file.pieces()) {
      player.push(piece);
      await permission();
    }
    player.finish();
    if (info !== null) sink.streamEnd(info);
    sink.end();
  }

  close(): void {
    this.#file.close();
  }

  #double(tag: number, value: number): void {
    this.#record[0] = tag;
    this.#record.writeDoubleLE(value, 1);
    this.#file.append(this.#record, 0, 9);
  }
}

/** Cuts a text that comes in any pieces into pieces as a ValueSink wants them. */
class TextCutter {
  readonly #sink: ValueSink;
  readonly #piece = Buffer.allocUnsafeSlow(TEXT_PIECE_BYTES);
  #total = 0;
  #left = 0;
  #held = 0;

  constructor(sink: ValueSink) {
    this.#sink = sink;
  }

  begin(total: number): void {
    this.#total = total;
    this.#left = total;
    this.#held = 0;
    if (total === 0) this.#sink.text(this.#piece, 0, 0, true, 0);
  }

  get left(): number {
    return this.#left;
  }

  /** Takes what belongs to the text; gives how many bytes that were. */
  push(bytes: Buffer, start: number, end: number): number {
    const stop = Math.min(end, start + this.#left);
    for (let at = start; at < stop; ) {
      const isWhole = this.#held === 0 && this.#total <= TEXT_PIECE_BYTES;
      if (isWhole && stop - at === this.#total) {
        this.#left = 0;
        this.#sink.text(bytes, at, stop, true, this.#total);
        break;
      }
      const take = Math.min(stop - at, TEXT_PIECE_BYTES - this.#held);
      bytes.copy(this.#piece, this.#held, at, at + take);
      this.#held += take;
      this.#left -= take;
      at += take;
      if (this.#held < TEXT_PIECE_BYTES && this.#left > 0) continue;
      this.#sink.text(this.#piece, 0, this.#held, this.#left === 0, this.#total);
      this.#held = 0;
    }
    return stop - start;
  }
}

class StringPlayer {
  readonly #cutter: TextCutter;

  constructor(sink: ValueSink, total: number) {
    this.#cutter = new TextCutter(sink);
    this.#cutter.begin(total);
  }

  push(piece: Buffer): void {
    this.#cutter.push(piece, 0, piece.length);
  }

  finish(): void {
    if (this.#cutter.left > 0) throw broken();
  }
}

class RecordPlayer {
  readonly #sink: ValueSink;
  readonly #cutter: TextCutter;
  /** A record's tag and fixed part, until it is complete. */
  readonly #head = Buffer.alloc(24);
  #have = 0;

  constructor(sink: ValueSink) {
    this.#sink = sink;
    this.#cutter = new TextCutter(sink);
  }

  push(piece: Buffer): void {
    for (let at = 0; at < piece.length; ) {
      if (this.#cutter.left > 0) {
        at += this.#cutter.push(piece, at, piece.length);
        continue;
      }
      if (this.#have === 0) this.#head[this.#have++] = piece[at++];
      const take = Math.min(this.#size - this.#have, piece.length - at);
      piece.copy(this.#head, this.#have, at, at + take);
      this.#have += take;
      at += take;
      if (this.#have === this.#size) this.#complete();
    }
  }

  finish(): void {
    if (this.#cutter.left > 0 || this.#have > 0) throw broken();
  }

  get #size(): number {
    const tag = this.#head[0];
    if (tag === TEXT) return 5;
    if (tag === SCORE || tag === EXPIRY || tag === ENTRY) return 1 + RECORD_BYTES[tag];
    throw broken();
  }

  #complete(): void {
    const head = this.#head;
    this.#have = 0;
    switch (head[0]) {
      case TEXT:
        this.#cutter.begin(head.readUInt32LE(1));
        return;
      case SCORE:
        this.#sink.score(head.readDoubleLE(1));
        return;
      case EXPIRY:
        this.#sink.fieldExpireAt(head.readDoubleLE(1));
        return;
      default: {
        const [a, b, c, d, pairs] = [1, 5, 9, 13, 17].map((at) => head.readUInt32LE(at));
        this.#sink.streamEntry(a, b, c, d, pairs);
      }
    }
  }
}

function broken(): CodedError {
  return new CodedError('STORAGE_FAILED', 'Cannot read back a temporary file: it has changed');
}
