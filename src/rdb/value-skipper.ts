import { CodedError, isCoded } from '../base/index.ts';
import { be32 } from './byte-order.ts';
import { RdbCursor } from './cursor.ts';
import { ListpackReader } from './encodings/listpack.ts';
import { type RdbFormat, TYPE } from './format.ts';

/**
 * Finds where a value ends without decoding it, in input that arrives in any pieces. Each type has
 * a small program; what it consists of is always runs of the same few primitives:
 *
 *   LEN      a length, skipped
 *   STR      a string in any form, skipped
 *   BYTES    n raw bytes
 *
 * The state between two calls of `run` is a program position and a few counters, never bytes: a
 * primitive whose header is cut by the end of the input is not consumed.
 */
const END = 0;
/** Operands l, s, b: l lengths, s strings, b bytes, once. */
const ONCE = 1;
/** Operands l, s, b: a length n, then n times (l lengths, s strings, b bytes). */
const RUN = 2;
/** Operand: where to go when done. A length n, then n times the instructions up to AGAIN. */
const LOOP = 3;
/** Operand: the first instruction of the loop's body. */
const AGAIN = 4;
/** A length n, then n times (string, text score of type 3). */
const TEXT_SCORES = 5;
/** Module opcodes up to and including 0. */
const MODULE = 6;
/** Items of an array: a length n, a flag, then n times (index, tag, payload). */
const ARRAY = 7;
/** Operand: where to go. A byte: 0, one string; 1, a length and that many strings. */
const TEMPLATE_FIELDS = 8;
/** An array's flag: a length; when it is 1, another length. The run's count stays for ARRAY. */
const ARRAY_HEADER = 9;

const STR = [ONCE, 0, 1, 0, END];
const PAIRS = [RUN, 0, 2, 0, END];

function streamProgram(version: 1 | 2 | 3 | 4 | 5): readonly number[] {
  const body = [RUN, 0, 2, 0, ONCE, version >= 2 ? 8 : 3, 0, 0];
  const loopAt = body.length;
  body.push(LOOP, 0);
  const groupAt = body.length;
  body.push(ONCE, 0, 1, 0, ONCE, version >= 2 ? 3 : 2, 0, 0);
  // Pending: 16 bytes of id and 8 of time before the delivery count, so lengths come last.
  body.push(LOOP, 0);
  const pendingAt = body.length;
  body.push(ONCE, 0, 0, 24, ONCE, 1, 0, 0, AGAIN, pendingAt);
  body[pendingAt - 1] = body.length;
  body.push(LOOP, 0);
  const consumerAt = body.length;
  body.push(ONCE, 0, 1, version >= 3 ? 16 : 8, RUN, 0, 0, 16, AGAIN, consumerAt);
  body[consumerAt - 1] = body.length;
  if (version === 5) body.push(RUN, 0, 0, 16);
  body.push(AGAIN, groupAt);
  body[loopAt + 1] = body.length;
  if (version >= 4) {
    body.push(ONCE, 2, 0, 0, LOOP, 0);
    const producerAt = body.length;
    // Per item: the producer's text, then two lengths; a run has lengths first, hence a loop.
    body.push(ONCE, 0, 1, 0, LOOP, 0);
    const itemAt = body.length;
    body.push(ONCE, 0, 1, 0, ONCE, 2, 0, 0, AGAIN, itemAt);
    body[itemAt - 1] = body.length;
    body.push(AGAIN, producerAt);
    body[producerAt - 1] = body.length;
    body.push(ONCE, 2, 0, 0);
  }
  body.push(END);
  return body;
}

const STREAMS = {
  [TYPE.stream1]: streamProgram(1),
  [TYPE.stream2]: streamProgram(2),
  [TYPE.stream3]: streamProgram(3),
  [TYPE.stream4]: streamProgram(4),
  [TYPE.stream5]: streamProgram(5),
};

const COMMON: Readonly<Record<number, readonly number[]>> = {
  [TYPE.string]: STR,
  [TYPE.list]: [RUN, 0, 1, 0, END],
  [TYPE.set]: [RUN, 0, 1, 0, END],
  [TYPE.zsetText]: [TEXT_SCORES, END],
  [TYPE.hash]: PAIRS,
  [TYPE.zset]: [RUN, 0, 1, 8, END],
  [TYPE.module]: [ONCE, 1, 0, 0, MODULE, END],
  [TYPE.hashZipmap]: STR,
  [TYPE.listZiplist]: STR,
  [TYPE.setIntset]: STR,
  [TYPE.zsetZiplist]: STR,
  [TYPE.hashZiplist]: STR,
  [TYPE.listQuicklist]: [RUN, 0, 1, 0, END],
  [TYPE.hashListpack]: STR,
  [TYPE.zsetListpack]: STR,
  [TYPE.listQuicklist2]: [RUN, 1, 1, 0, END],
  [TYPE.setListpack]: STR,
  [TYPE.stream1]: STREAMS[TYPE.stream1],
  [TYPE.stream2]: STREAMS[TYPE.stream2],
  [TYPE.stream3]: STREAMS[TYPE.stream3],
};

const REDIS: Readonly<Record<number, readonly number[]>> = {
  ...COMMON,
  [TYPE.hash22]: [RUN, 1, 2, 0, END],
  [TYPE.hash23]: STR,
  [TYPE.hashExpiry]: [ONCE, 0, 0, 8, RUN, 1, 2, 0, END],
  [TYPE.hashListpackExpiry]: [ONCE, 0, 0, 8, ONCE, 0, 1, 0, END],
  [TYPE.stream4]: STREAMS[TYPE.stream4],
  [TYPE.stream5]: STREAMS[TYPE.stream5],
  [TYPE.array]: [ARRAY_HEADER, ARRAY, END],
  [TYPE.hashTemplateListpack]: [TEMPLATE_FIELDS, ONCE, 0, 1, 0, END],
  [TYPE.hashTemplateListpackRef]: STR,
  // 31 and 32 have as many values as the template has fields: see `begin`.
  [TYPE.keydbCron]: [ONCE, 0, 1, 16, RUN, 0, 1, 0, RUN, 0, 1, 0, END],
};

const VALKEY: Readonly<Record<number, readonly number[]>> = {
  ...COMMON,
  [TYPE.hash22]: [RUN, 0, 2, 8, END],
};

const MODULE_END = 0;
const MODULE_SIGNED = 1;
const MODULE_UNSIGNED = 2;
const MODULE_FLOAT = 3;
const MODULE_DOUBLE = 4;
const MODULE_STRING = 5;

const MODULE_STREAM = [MODULE, END];
/** KEY_META: n times (4-byte class, module stream). */
const KEY_META = [LOOP, 8, ONCE, 0, 0, 4, MODULE, AGAIN, 2, END];
KEY_META[1] = KEY_META.length - 1;

export class ValueSkipper {
  /** Whether the value has been skipped to its end. */
  done = true;

  #program: readonly number[] = STR;
  #pc = 0;
  /** The current element: its primitives still to come, in this order. */
  #lens = 0;
  #strings = 0;
  #skip = 0;
  /** Further elements of the current run, and what each has. */
  #left = 0;
  #runLens = 0;
  #runStrings = 0;
  #runBytes = 0;
  #tail = 0;
  readonly #loops: number[] = [];
  /** What a header primitive in the middle of its own state machine waits for. */
  #step = 0;
  #length = 0;
  #special = false;

  /** Begins a value of `type`. False: this type is unknown in this dialect, nothing can skip it. */
  begin(type: number, format: RdbFormat, templateFields?: (id: number) => number): boolean {
    const program = (format.dialect === 'valkey' ? VALKEY : REDIS)[type];
    if (program === undefined) {
      if (format.dialect !== 'redis') return false;
      if (type === TYPE.hashTemplateFields) return this.#beginProgram(TEMPLATE_SELF);
      if (type !== TYPE.hashTemplateFieldsRef || templateFields === undefined) return false;
      this.#templateFields = templateFields;
      return this.#beginProgram(TEMPLATE_REF);
    }
    return this.#beginProgram(program);
  }

  /** Begins module opcodes up to their end (MODULE_AUX). */
  beginModuleStream(): void {
    this.#beginProgram(MODULE_STREAM);
  }

  beginKeyMeta(): void {
    this.#beginProgram(KEY_META);
  }

  #templateFields: (id: number) => number = () => 0;

  #beginProgram(program: readonly number[]): true {
    this.#program = program;
    this.#pc = 0;
    this.#lens = 0;
    this.#strings = 0;
    this.#skip = 0;
    this.#tail = 0;
    this.#left = 0;
    this.#step = 0;
    this.#loops.length = 0;
    this.done = false;
    return true;
  }

  /**
   * Consumes what it can of `[pos, end)` and returns where it stopped: the end of the value when
   * `done`, otherwise either `end` or the start of a primitive header (at most 18 bytes; the whole
   * field list of type 31) that needs more input. `base` is the dump offset of `bytes[0]`. Throws
   * RDB_CORRUPT.
   */
  run(bytes: Uint8Array, pos: number, end: number, base: number): number {
    for (;;) {
      if (this.#skip > 0) {
        const taken = Math.min(this.#skip, end - pos);
        pos += taken;
        this.#skip -= taken;
        if (this.#skip > 0) return pos;
      }
      if (this.#lens > 0) {
        const after = this.#readLength(bytes, pos, end, base);
        if (after < 0) return pos;
        if (this.#special) throw corrupt('a length', base + pos);
        pos = after;
        this.#lens--;
        continue;
      }
      if (this.#strings > 0) {
        pos = this.#skipStrings(bytes, pos, end, base);
        if (this.#strings > 0 || this.#skip > 0) {
          if (this.#skip === 0) return pos;
          continue;
        }
      }
      if (this.#tail > 0) {
        this.#skip = this.#tail;
        this.#tail = 0;
        continue;
      }
      if (this.#left > 0) {
        this.#left--;
        this.#lens = this.#runLens;
        this.#strings = this.#runStrings;
        this.#tail = this.#runBytes;
        continue;
      }
      const after = this.#instruction(bytes, pos, end, base);
      if (after < 0) return pos;
      pos = after;
      if (this.done) return pos;
    }
  }

  /** The hot loop: plain strings one after another. */
  #skipStrings(bytes: Uint8Array, pos: number, end: number, base: number): number {
    while (this.#strings > 0 && pos < end) {
      const first = bytes[pos];
      if (first < 0x40) {
        pos += 1 + first;
        this.#strings--;
        if (pos > end) {
          this.#skip = pos - end;
          return end;
        }
        continue;
      }
      const after = this.#readLength(bytes, pos, end, base);
      if (after < 0) return pos;
      let body = this.#length;
      let next = after;
      if (this.#special) {
        if (body <= 2) body = 1 << body;
        else if (body === 3) {
          next = this.#readLength(bytes, after, end, base);
          if (next < 0) return pos;
          const packed = this.#length;
          next = this.#readLength(bytes, next, end, base);
          if (next < 0) return pos;
          if (this.#special) throw corrupt('an LZF length', base + after);
          body = packed;
        } else throw corrupt('a string', base + pos);
      }
      this.#strings--;
      if (next + body > end) {
        this.#skip = next + body - end;
        return end;
      }
      pos = next + body;
    }
    return pos;
  }

  /** Sets #length and #special; returns the position behind it, or -1 when it is cut. */
  #readLength(bytes: Uint8Array, pos: number, end: number, base: number): number {
    if (pos >= end) return -1;
    const first = bytes[pos];
    this.#special = false;
    if (first < 0x40) {
      this.#length = first;
      return pos + 1;
    }
    if (first < 0x80) {
      if (pos + 2 > end) return -1;
      this.#length = ((first & 0x3f) << 8) | bytes[pos + 1];
      return pos + 2;
    }
    if (first >= 0xc0) {
      this.#special = true;
      this.#length = first & 0x3f;
      return pos + 1;
    }
    if (first === 0x80) {
      if (pos + 5 > end) return -1;
      this.#length = be32(bytes, pos + 1);
      return pos + 5;
    }
    if (first !== 0x81) throw corrupt('a length', base + pos);
    if (pos + 9 > end) return -1;
    this.#length = be32(bytes, pos + 1) * 0x1_0000_0000 + be32(bytes, pos + 5);
    return pos + 9;
  }

  /** Executes the next instruction; returns the position behind what it read, -1: needs more. */
  #instruction(bytes: Uint8Array, pos: number, end: number, base: number): number {
    const program = this.#program;
    const pc = this.#pc;
    switch (program[pc]) {
      case END:
        this.done = true;
        return pos;
      case ONCE:
        this.#lens = program[pc + 1];
        this.#strings = program[pc + 2];
        this.#tail = program[pc + 3];
        this.#pc = pc + 4;
        return pos;
      case RUN: {
        const after = this.#readCount(bytes, pos, end, base);
        if (after < 0) return -1;
        const lens = program[pc + 1];
        const strings = program[pc + 2];
        const raw = program[pc + 3];
        this.#pc = pc + 4;
        // Runs of one primitive need no element by element bookkeeping.
        if (lens === 0 && raw === 0) this.#strings = this.#length * strings;
        else if (lens === 0 && strings === 0) this.#skip = this.#length * raw;
        else {
          this.#left = this.#length;
          this.#runLens = lens;
          this.#runStrings = strings;
          this.#runBytes = raw;
        }
        return after;
      }
      case LOOP: {
        const after = this.#readCount(bytes, pos, end, base);
        if (after < 0) return -1;
        if (this.#length === 0) this.#pc = program[pc + 1];
        else {
          this.#loops.push(this.#length);
          this.#pc = pc + 2;
        }
        return after;
      }
      case AGAIN: {
        const left = (this.#loops.pop() ?? 1) - 1;
        if (left > 0) {
          this.#loops.push(left);
          this.#pc = program[pc + 1];
        } else this.#pc = pc + 2;
        return pos;
      }
      default:
        return this.#rareInstruction(bytes, pos, end, base);
    }
  }

  #rareInstruction(bytes: Uint8Array, pos: number, end: number, base: number): number {
    switch (this.#program[this.#pc]) {
      case TEXT_SCORES:
        return this.#textScores(bytes, pos, end, base);
      case MODULE:
        return this.#moduleOpcode(bytes, pos, end, base);
      case ARRAY_HEADER:
        return this.#arrayHeader(bytes, pos, end, base);
      case ARRAY:
        return this.#arrayItem(bytes, pos, end, base);
      case TEMPLATE_FIELDS:
        return this.#templateFieldList(bytes, pos, end, base);
      default:
        return this.#templateValues(bytes, pos, end, base);
    }
  }

  #readCount(bytes: Uint8Array, pos: number, end: number, base: number): number {
    const after = this.#readLength(bytes, pos, end, base);
    if (after >= 0 && this.#special) throw corrupt('a count', base + pos);
    return after;
  }

  /** Step 0: the count. Odd: a member. Even: its score. */
  #textScores(bytes: Uint8Array, pos: number, end: number, base: number): number {
    if (this.#step === 0) {
      const after = this.#readCount(bytes, pos, end, base);
      if (after < 0) return -1;
      this.#step = 1 + this.#length * 2;
      return after;
    }
    if (this.#step === 1) {
      this.#step = 0;
      this.#pc++;
      return pos;
    }
    if ((this.#step & 1) === 1) {
      this.#strings = 1;
      this.#step--;
      return pos;
    }
    if (pos >= end) return -1;
    const size = bytes[pos];
    this.#skip = size >= 253 ? 0 : size;
    this.#step--;
    return pos + 1;
  }

  #moduleOpcode(bytes: Uint8Array, pos: number, end: number, base: number): number {
    const after = this.#readCount(bytes, pos, end, base);
    if (after < 0) return -1;
    switch (this.#length) {
      case MODULE_END:
        this.#pc++;
        return after;
      case MODULE_SIGNED:
      case MODULE_UNSIGNED:
        this.#lens = 1;
        return after;
      case MODULE_FLOAT:
        this.#skip = 4;
        return after;
      case MODULE_DOUBLE:
        this.#skip = 8;
        return after;
      case MODULE_STRING:
        this.#strings = 1;
        return after;
      default:
        throw corrupt('a module value', base + pos);
    }
  }

  /** Step 0: the count; 1: the flag; 2: done. The count waits on the loop stack. */
  #arrayHeader(bytes: Uint8Array, pos: number, end: number, base: number): number {
    const after = this.#readCount(bytes, pos, end, base);
    if (after < 0) return -1;
    if (this.#step === 0) {
      this.#loops.push(this.#length);
      this.#step = 1;
      return after;
    }
    if (this.#length > 1) throw corrupt('an array', base + pos);
    this.#lens = this.#length;
    this.#step = 0;
    this.#pc++;
    return after;
  }

  /** Step 0: next item's index; 1: its tag and payload. */
  #arrayItem(bytes: Uint8Array, pos: number, end: number, base: number): number {
    if (this.#step === 0) {
      const left = this.#loops.pop() ?? 0;
      if (left === 0) {
        this.#pc++;
        return pos;
      }
      this.#loops.push(left - 1);
      this.#lens = 1;
      this.#step = 1;
      return pos;
    }
    const after = this.#readCount(bytes, pos, end, base);
    if (after < 0) return -1;
    if (this.#length === 1 || this.#length === 2) this.#skip = 8;
    else if (this.#length === 0 || this.#length === 3) this.#strings = 1;
    else throw corrupt('an array item', base + pos);
    this.#step = 0;
    return after;
  }

  /** Step 0: the form byte; 1 (form 1): how many fields. */
  #templateFieldList(bytes: Uint8Array, pos: number, end: number, base: number): number {
    if (this.#step === 0) {
      if (pos >= end) return -1;
      const form = bytes[pos];
      if (form > 1) throw corrupt('a hash template', base + pos);
      if (form === 0) {
        this.#strings = 1;
        this.#pc++;
      } else this.#step = 1;
      return pos + 1;
    }
    const after = this.#readCount(bytes, pos, end, base);
    if (after < 0) return -1;
    this.#strings = this.#length;
    this.#step = 0;
    this.#pc++;
    return after;
  }

  /** Type 31 (fields inside) and 32 (fields in a template): as many strings as fields. */
  #templateValues(bytes: Uint8Array, pos: number, end: number, base: number): number {
    if (this.#program === TEMPLATE_SELF && this.#step === 0) {
      if (pos >= end) return -1;
      if (bytes[pos] > 1) throw corrupt('a hash template', base + pos);
      this.#step = bytes[pos] === 1 ? 1 : 2;
      return pos + 1;
    }
    if (this.#step === 2) return this.#templateListpack(bytes, pos, end, base);
    const after = this.#readCount(bytes, pos, end, base);
    if (after < 0) return -1;
    const self = this.#program === TEMPLATE_SELF;
    this.#strings = self ? this.#length * 2 : this.#templateFields(this.#length);
    this.#step = 0;
    this.#pc++;
    return after;
  }

  /** The one container that must be looked into: only it knows how many values follow it. */
  #templateListpack(bytes: Uint8Array, pos: number, end: number, base: number): number {
    const cursor = new RdbCursor(bytes, pos, end, base);
    try {
      cursor.readString();
    } catch (error) {
      if (isCoded(error, 'RDB_TRUNCATED')) return -1;
      throw error;
    }
    const names = new ListpackReader();
    names.open(cursor.text, cursor.textStart, cursor.textEnd, base + pos);
    while (names.next()) this.#strings++;
    this.#step = 0;
    this.#pc++;
    return cursor.pos;
  }
}

const TEMPLATE_VALUES = 10;
const TEMPLATE_SELF = [TEMPLATE_VALUES, END];
const TEMPLATE_REF = [TEMPLATE_VALUES, END];

function corrupt(what: string, offset: number): CodedError {
  return new CodedError('RDB_CORRUPT', `Cannot read ${what} at offset ${offset}`, { offset });
}
