import { hash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { TempFile } from './temp-file.ts';

/** Of each name's SHA-256: two names that share them do not occur. */
const DIGEST_BYTES = 16;
const PROBES = 4;
const BITS_PER_NAME = 8;
const MIN_BITS = 1 << 16;
/** 128 MiB; beyond 134 million names more of them are looked up in the file, which stays exact. */
const MAX_BITS = 2 ** 30;
/** Undecided names are held in memory up to here, then decided. */
const MAX_UNDECIDED = 65_536;
const MAX_UNDECIDED_BYTES = 16 << 20;

/**
 * Tells new names from repeated ones among any number of them, exactly and in bounded memory. A
 * Bloom filter answers "surely new" at once for nearly all. The others wait, undecided, until one
 * pass over the digests of everything that was taken, which lie in a temporary file, tells which
 * of them were there (16 bytes of disk per name). `T` is what goes with a name.
 */
export class Distinct<T> {
  /** Names that came again, of those decided. */
  repeated = 0;
  readonly #bits: Uint32Array;
  readonly #mask: number;
  readonly #digests: TempFile;
  #undecided = new Map<string, T>();
  #undecidedBytes = 0;

  /** `expected` names set the filter's size; more only make it slower. */
  constructor(expected: number, folder: string) {
    let bits = MIN_BITS;
    while (bits < MAX_BITS && bits < expected * BITS_PER_NAME) bits *= 2;
    this.#bits = new Uint32Array(bits / 32);
    this.#mask = bits - 1;
    this.#digests = new TempFile(folder);
  }

  /** True: the name is new. False: it is undecided, and `item` is kept until `decide`. */
  take(name: Uint8Array, item: T, itemBytes: number): boolean {
    const digest = hash('sha256', name, 'buffer').subarray(0, DIGEST_BYTES);
    if (this.#insert(digest)) {
      this.#digests.append(digest);
      return true;
    }
    const id = digest.toString('latin1');
    if (this.#undecided.has(id)) this.repeated++;
    else {
      this.#undecided.set(id, item);
      this.#undecidedBytes += itemBytes;
    }
    return false;
  }

  /** Whether so many names are undecided that `decide` is due. */
  get isFull(): boolean {
    return this.#undecided.size >= MAX_UNDECIDED || this.#undecidedBytes >= MAX_UNDECIDED_BYTES;
  }

  /** Decides about all names that wait: gives the items of those that are new after all. */
  async decide(): Promise<T[]> {
    const waiting = this.#undecided;
    if (waiting.size === 0) return [];
    this.#undecided = new Map();
    this.#undecidedBytes = 0;
    for (const piece of this.#digests.pieces()) {
      // Pieces are multiples of a digest: everything appended is, and so is every buffer.
      for (let at = 0; at < piece.length; at += DIGEST_BYTES) {
        const id = piece.toString('latin1', at, at + DIGEST_BYTES);
        if (waiting.delete(id)) this.repeated++;
      }
      await turn();
    }
    for (const id of waiting.keys()) this.#digests.append(Buffer.from(id, 'latin1'));
    return [...waiting.values()];
  }

  close(): void {
    this.#digests.close();
  }

  /** Whether a bit was still unset: the digest is surely new. */
  #insert(digest: Buffer): boolean {
    let isNew = false;
    for (let i = 0; i < PROBES; i++) {
      const bit = digest.readUInt32LE(i * 4) & this.#mask;
      const word = bit >>> 5;
      const flag = 1 << (bit & 31);
      if ((this.#bits[word] & flag) === 0) {
        this.#bits[word] |= flag;
        isNew = true;
      }
    }
    return isNew;
  }
}
