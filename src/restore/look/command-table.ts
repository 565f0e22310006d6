import { assert } from '../../base/index.ts';
import { NO_EXPIRY } from '../policies.ts';

const SET = 0x53;
const CR = 0x0d;
const A = 0x41;

/** Encoded commands of one block, one per key. */
export type Commands = {
  readonly commands: Uint8Array;
  /** Where each command ends. */
  readonly ends: Uint32Array;
  readonly count: number;
};

/**
 * Where the keys and values lie in the commands of a BlockEncoder, read without allocating per
 * command. Valid until the next `read`.
 */
export class CommandTable {
  bytes: Uint8Array = new Uint8Array(0);
  keyStart = new Uint32Array(0);
  keyEnd = new Uint32Array(0);
  /** Of the text of a SET, or of the payload of a RESTORE. */
  valueStart = new Uint32Array(0);
  valueEnd = new Uint32Array(0);
  isSet = new Uint8Array(0);
  /** Unix milliseconds, or NO_EXPIRY. */
  expireAtMs = new Float64Array(0);
  #at = 0;
  #partStart = 0;

  /** `nowMs`: what the times to live of old servers are counted from. */
  read({ commands, ends, count }: Commands, nowMs: number): void {
    this.bytes = commands;
    if (this.keyStart.length < count) this.#grow(count);
    let start = 0;
    for (let i = 0; i < count; i++) {
      this.#readOne(i, start, ends[i], nowMs);
      start = ends[i];
    }
  }

  #grow(count: number): void {
    this.keyStart = new Uint32Array(count);
    this.keyEnd = new Uint32Array(count);
    this.valueStart = new Uint32Array(count);
    this.valueEnd = new Uint32Array(count);
    this.isSet = new Uint8Array(count);
    this.expireAtMs = new Float64Array(count);
  }

  #readOne(i: number, start: number, end: number, nowMs: number): void {
    this.#at = start + 1;
    this.#number();
    const isSet = this.bytes[this.#part()] === SET;
    this.isSet[i] = isSet ? 1 : 0;
    this.keyStart[i] = this.#part();
    this.keyEnd[i] = this.#at - 2;
    if (!isSet) this.#part();
    const ttl = isSet ? NO_EXPIRY : this.#decimal(this.#partStart);
    this.valueStart[i] = this.#part();
    this.valueEnd[i] = this.#at - 2;
    if (isSet) this.expireAtMs[i] = this.#expiryOfSet(end);
    else if (ttl === 0) this.expireAtMs[i] = NO_EXPIRY;
    else {
      const isAbsolute = this.#at < end && this.bytes[this.#part()] === A;
      this.expireAtMs[i] = isAbsolute ? ttl : nowMs + ttl;
    }
    assert(this.#at <= end, 'our own command can be read back');
  }

  /** Behind the text come `NX`, or `PXAT`, the instant, `NX`. */
  #expiryOfSet(end: number): number {
    this.#part();
    if (this.#at >= end) return NO_EXPIRY;
    return this.#decimal(this.#part());
  }

  /** Steps over one part; where it begins. */
  #part(): number {
    this.#at++;
    const size = this.#number();
    this.#partStart = this.#at;
    this.#at += size + 2;
    return this.#partStart;
  }

  /** A length and its line end. */
  #number(): number {
    const value = this.#decimal(this.#at);
    while (this.bytes[this.#at] !== CR) this.#at++;
    this.#at += 2;
    return value;
  }

  #decimal(at: number): number {
    let value = 0;
    for (let i = at; this.bytes[i] !== CR; i++) value = value * 10 + this.bytes[i] - 0x30;
    return value;
  }
}
