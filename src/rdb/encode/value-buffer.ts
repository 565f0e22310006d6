import { ByteBuilder } from '../../base/index.ts';
import { lengthBytes, writeInt64, writeLength } from './length.ts';
import { INEXACT, type InexactReason } from './inexact.ts';
import type { TargetFormat } from './target-format.ts';

/** Room in front of a body for its type, counts and sizes, which are known last. */
const HEADROOM = 64;

/** From this size on a value whose count is known leaves in pieces, where that is possible. */
export const DRAIN_BYTES = 1 << 20;

/** Takes a value that leaves before it is complete. */
export interface ValueDrain {
  /** Comes once, before the first piece. */
  head(type: number): void;
  /** A piece of what follows the type byte and the key; valid during the call. */
  body(bytes: Buffer, start: number, end: number): void;
}

/**
 * Where the encoders of all kinds write one value: type byte, then body. The body is written first;
 * what stands before it is prepended when it is known. One growing buffer, reused.
 */
export class ValueBuffer {
  readonly out = new ByteBuilder(1 << 16);
  readonly format: TargetFormat;
  /** Where the type byte is, once `seal` was called. */
  start = HEADROOM;
  type = 0;
  readonly inexact: InexactReason[] = [];
  representable = true;
  /** Whether pieces of this value have left already. */
  draining = false;
  readonly #drain: ValueDrain | null;

  constructor(format: TargetFormat, drain: ValueDrain | null) {
    this.format = format;
    this.#drain = drain;
  }

  begin(): void {
    this.out.clear();
    this.out.length = HEADROOM;
    this.start = HEADROOM;
    this.type = -1;
    this.inexact.length = 0;
    this.representable = true;
    this.draining = false;
  }

  get canDrain(): boolean {
    return this.#drain !== null;
  }

  /** Notes once that the target cannot hold something. */
  lose(reason: InexactReason): void {
    if (!this.inexact.includes(reason)) this.inexact.push(reason);
    if (INEXACT[reason] === 'unrepresentable') this.representable = false;
  }

  /** Forgets the body; what is prepended stays. */
  restart(): void {
    this.out.length = HEADROOM;
  }

  /** Where the body begins as long as nothing was prepended. */
  get bodyStart(): number {
    return HEADROOM;
  }

  prependLength(value: number): void {
    this.start -= lengthBytes(value);
    writeLength(this.out.bytes, this.start, value);
  }

  prependBytes(bytes: Uint8Array, size: number): void {
    this.start -= size;
    for (let i = 0; i < size; i++) this.out.bytes[this.start + i] = bytes[i];
  }

  prependInt64(value: number): void {
    this.start -= 8;
    writeInt64(this.out.bytes, this.start, value);
  }

  /** Puts the type in front; all counts must be prepended before. */
  seal(type: number): void {
    this.type = type;
    this.out.bytes[--this.start] = type;
  }

  /** For a container that is stored as one string: its length and the type. */
  sealContainer(type: number): void {
    this.prependLength(this.out.length - HEADROOM);
    this.seal(type);
  }

  sealCounted(type: number, count: number): void {
    this.prependLength(count);
    this.seal(type);
  }

  /** Lets out what is there; the value must be sealed with its final counts. */
  drain(): void {
    const { out } = this;
    if (!this.draining) {
      this.draining = true;
      this.#drain?.head(this.type);
      this.#drain?.body(out.bytes, this.start + 1, out.length);
    } else if (out.length > 0) {
      this.#drain?.body(out.bytes, 0, out.length);
    }
    out.clear();
  }
}
