import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CodedError } from '../base/index.ts';
import { DistinctTexts, RECORD_WORDS, type RecordSpill, type Twice } from '../entries/index.ts';

const PARTITIONS = 256;

/**
 * One partition after the other is compared in memory, 256 MiB at most: a thousand million keys.
 */
const MAX_PARTITION_RECORDS = 1 << 22;

/**
 * Keeps the hashes of keys (or of one key's members) that are too many for memory in files of the
 * folder for temporary files, 24 bytes each, and finds at the end which came twice: equal hashes
 * fall into the same of 256 files, and one after the other is compared.
 */
export class DiskSpill implements RecordSpill {
  readonly #what: string;
  #folder: string | undefined;
  readonly #counts = new Uint32Array(PARTITIONS);

  /** `what` is remembered here, for messages: "the keys". */
  constructor(what: string) {
    this.#what = what;
  }

  take(records: Uint32Array, count: number): void {
    this.#guard(() => {
      this.#folder ??= mkdtempSync(join(tmpdir(), 'tidemark-import-'));
      for (const [partition, part] of partition256(records, count).entries()) {
        if (part.length === 0) continue;
        const bytes = Buffer.from(part.buffer, part.byteOffset, part.byteLength);
        appendFileSync(this.#file(partition), bytes, { mode: 0o600 });
        this.#counts[partition] += part.length / RECORD_WORDS;
      }
    });
  }

  finish(): Twice | undefined {
    try {
      for (const [partition, count] of this.#counts.entries()) {
        const twice = count === 0 ? undefined : this.#compare(partition, count);
        if (twice !== undefined) return twice;
      }
      return undefined;
    } finally {
      this.close();
    }
  }

  /** Removes what was kept. Idempotent. */
  close(): void {
    this.#counts.fill(0);
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
    this.#folder = undefined;
  }

  #compare(partition: number, count: number): Twice | undefined {
    if (count > MAX_PARTITION_RECORDS) {
      throw new CodedError('USAGE', `Cannot compare ${this.#what}: they are too many`);
    }
    const records = new Uint32Array(count * RECORD_WORDS);
    this.#guard(() => new Uint8Array(records.buffer).set(readFileSync(this.#file(partition))));
    const distinct = new DistinctTexts();
    for (let at = 0; at < records.length; at += RECORD_WORDS) {
      const number = records[at + 4] * 0x1_0000_0000 + records[at + 5];
      const first = distinct.add(records, at, number);
      if (first !== -1) {
        return { first: Math.min(first, number), again: Math.max(first, number) };
      }
    }
    return undefined;
  }

  #file(partition: number): string {
    return join(this.#folder as string, `${partition}`);
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      throw new CodedError(
        code === 'ENOSPC' ? 'STORAGE_FULL' : 'STORAGE_FAILED',
        `Cannot remember ${this.#what} in '${tmpdir()}': ${message}`,
        { hint: 'Set TMPDIR to a folder with room: 24 bytes for every key', cause: error },
      );
    }
  }
}

/** The records by the first byte of their hashes. */
function partition256(records: Uint32Array, count: number): Uint32Array[] {
  const sizes = new Uint32Array(PARTITIONS);
  for (let i = 0; i < count; i++) sizes[records[i * RECORD_WORDS] >>> 24]++;
  const parts = Array.from(sizes, (size) => new Uint32Array(size * RECORD_WORDS));
  sizes.fill(0);
  for (let i = 0; i < count; i++) {
    const at = i * RECORD_WORDS;
    const partition = records[at] >>> 24;
    parts[partition].set(records.subarray(at, at + RECORD_WORDS), sizes[partition]);
    sizes[partition] += RECORD_WORDS;
  }
  return parts;
}
