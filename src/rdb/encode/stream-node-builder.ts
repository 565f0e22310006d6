import { ByteBuilder } from '../../base/index.ts';
import { reserveLength, settleLength } from './length.ts';
import { ListpackBuilder } from './listpack-builder.ts';
import { TextStage } from './text-stage.ts';

const FLAG_NONE = 0;
const FLAG_SAME_FIELDS = 2;
const ID_BYTES = 16;

/** Which entry is being written: the first of its node, one with the node's fields, or another. */
const FIRST = 0;
const SAME = 1;
const OTHER = 2;

/**
 * The nodes of a stream (docs/formats/rdb.md, streams): a 16-byte master id, then a listpack.
 *
 *   master   count · deleted · number of fields · fields … · 0
 *   entry    flags · ms delta · seq delta · values …            · n + 3    with the master's fields
 *            flags · ms delta · seq delta · n · field, value …  · 2n + 4
 *
 * Deltas are modulo 2^64 in each half, so that the one of seq is often negative.
 */
export class StreamNodeBuilder {
  /** Nodes of this stream, the open one included. */
  nodes = 0;
  /** Entries of the open node. */
  nodeEntries = 0;
  isOpen = false;
  readonly #out: ByteBuilder;
  readonly #listpack: ListpackBuilder;
  readonly #values = new ByteBuilder(4096);
  readonly #valuesListpack = new ListpackBuilder(this.#values);
  readonly #fields = new TextStage();
  readonly #master = new Int32Array(4);
  #lengthAt = 0;
  #countAt = 0;
  #kind = FIRST;
  #pairs = 0;
  #texts = 0;
  /** Where the values of a SAME entry begin, and how to undo it. */
  #valuesAt = 0;
  #entryAt = 0;
  #entryCount = 0;
  #deltaHigh = 0;
  #deltaLow = 0;
  #seqDeltaHigh = 0;
  #seqDeltaLow = 0;
  #valueEnds = new Float64Array(64);

  constructor(out: ByteBuilder) {
    this.#out = out;
    this.#listpack = new ListpackBuilder(out);
  }

  begin(): void {
    this.nodes = 0;
    this.isOpen = false;
  }

  /** Bytes of the open node's listpack. */
  get nodeBytes(): number {
    return this.#listpack.size;
  }

  entry(msHigh: number, msLow: number, seqHigh: number, seqLow: number, pairs: number): void {
    this.#pairs = pairs;
    this.#texts = 0;
    if (!this.isOpen) {
      this.#openNode(msHigh, msLow, seqHigh, seqLow);
      this.#kind = FIRST;
      this.#listpack.integer(pairs);
      this.#fields.clear();
      this.#values.clear();
      this.#valuesListpack.rewind(0, 0);
    } else {
      this.#setDeltas(msHigh, msLow, seqHigh, seqLow);
      this.#entryAt = this.#out.length;
      this.#entryCount = this.#listpack.count;
      this.#kind = pairs === this.#fields.count ? SAME : OTHER;
      this.#entryHead();
    }
    this.nodeEntries++;
    if (pairs === 0) this.#endEntry();
  }

  text(bytes: Uint8Array, start: number, end: number): void {
    const index = this.#texts++;
    const isField = (index & 1) === 0;
    if (this.#kind === FIRST) {
      if (isField) {
        this.#listpack.text(bytes, start, end);
        this.#fields.add(bytes, start, end);
      } else this.#valuesListpack.text(bytes, start, end);
    } else if (this.#kind === OTHER) {
      this.#listpack.text(bytes, start, end);
    } else if (!isField) {
      this.#listpack.text(bytes, start, end);
      this.#noteValueEnd(index >> 1);
    } else if (!this.#fields.isEqual(index >> 1, bytes, start, end)) {
      this.#becomeOther(index >> 1);
      this.#listpack.text(bytes, start, end);
    }
    if (this.#texts === this.#pairs * 2) this.#endEntry();
  }

  closeNode(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#listpack.finish();
    // The count is the first element, always below 128 and so a single byte
    this.#out.bytes[this.#countAt] = this.nodeEntries;
    settleLength(this.#out, this.#lengthAt);
  }

  #openNode(msHigh: number, msLow: number, seqHigh: number, seqLow: number): void {
    const out = this.#out;
    this.isOpen = true;
    this.nodes++;
    this.nodeEntries = 0;
    this.#master[0] = msHigh;
    this.#master[1] = msLow;
    this.#master[2] = seqHigh;
    this.#master[3] = seqLow;
    out.reserve(1 + ID_BYTES);
    out.byte(ID_BYTES);
    for (let i = 0; i < 4; i++) out.length = out.bytes.writeInt32BE(this.#master[i], out.length);
    this.#lengthAt = reserveLength(out);
    this.#listpack.begin();
    this.#countAt = out.length;
    this.#listpack.integer(0);
    this.#listpack.integer(0);
  }

  #setDeltas(msHigh: number, msLow: number, seqHigh: number, seqLow: number): void {
    const master = this.#master;
    const msBorrow = msLow >>> 0 < master[1] >>> 0 ? 1 : 0;
    this.#deltaLow = (msLow - master[1]) | 0;
    this.#deltaHigh = (msHigh - master[0] - msBorrow) | 0;
    const seqBorrow = seqLow >>> 0 < master[3] >>> 0 ? 1 : 0;
    this.#seqDeltaLow = (seqLow - master[3]) | 0;
    this.#seqDeltaHigh = (seqHigh - master[2] - seqBorrow) | 0;
  }

  #entryHead(): void {
    const listpack = this.#listpack;
    listpack.integer(this.#kind === SAME ? FLAG_SAME_FIELDS : FLAG_NONE);
    listpack.int64(this.#deltaHigh, this.#deltaLow);
    listpack.int64(this.#seqDeltaHigh, this.#seqDeltaLow);
    if (this.#kind === SAME) this.#valuesAt = this.#out.length;
    else listpack.integer(this.#pairs);
  }

  #endEntry(): void {
    const listpack = this.#listpack;
    if (this.#kind === FIRST) {
      listpack.integer(0);
      listpack.integer(FLAG_SAME_FIELDS);
      listpack.integer(0);
      listpack.integer(0);
      listpack.entries(this.#values.bytes, 0, this.#values.length, this.#valuesListpack.count);
    }
    listpack.integer(this.#kind === OTHER ? this.#pairs * 2 + 4 : this.#pairs + 3);
  }

  #noteValueEnd(pair: number): void {
    if (pair === this.#valueEnds.length) {
      const grown = new Float64Array(pair * 2);
      grown.set(this.#valueEnds);
      this.#valueEnds = grown;
    }
    this.#valueEnds[pair] = this.#out.length - this.#valuesAt;
  }

  /** A field differs after all: writes the entry again, its first `pairs` pairs with fields. */
  #becomeOther(pairs: number): void {
    const values = this.#values;
    values.clear();
    values.append(this.#out.bytes, this.#valuesAt, this.#out.length);
    this.#listpack.rewind(this.#entryAt, this.#entryCount);
    this.#kind = OTHER;
    this.#entryHead();
    const fields = this.#fields;
    for (let i = 0; i < pairs; i++) {
      this.#listpack.text(fields.bytes, fields.start(i), fields.end(i));
      const start = i === 0 ? 0 : this.#valueEnds[i - 1];
      this.#listpack.entries(values.bytes, start, this.#valueEnds[i], 1);
    }
  }
}
