import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { read, write } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CodedError } from '../../base/index.ts';
import type { DigestedBlocks } from './digest-messages.ts';

const readAt = promisify(read);
const writeAt = promisify(write);

/** Where records go that memory does not hold. */
export interface SpillFile {
  /** Appends all of the bytes. */
  append(bytes: Uint8Array): Promise<void>;
  read(start: number, length: number): Promise<Buffer>;
  /** Idempotent. Nothing of the file is left. */
  close(): void;
}

/**
 * A file in a folder of temporary files that has no name once it is open: it vanishes with the
 * process, however that ends. Nothing is made before the first append. Throws STORAGE_FULL,
 * STORAGE_FAILED.
 */
export class UnnamedFile implements SpillFile {
  readonly #folder: string;
  #file: number | undefined;
  #size = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async append(bytes: Uint8Array): Promise<void> {
    try {
      this.#file ??= openUnnamed(this.#folder);
      for (let at = 0; at < bytes.length; ) {
        const length = bytes.length - at;
        const written = await writeAt(this.#file, bytes, at, length, this.#size);
        at += written.bytesWritten;
        this.#size += written.bytesWritten;
      }
    } catch (error) {
      throw spillError(`Cannot write temporary files to '${this.#folder}'`, error);
    }
  }

  async read(start: number, length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(length);
    try {
      for (let at = 0; at < length; ) {
        const found = await readAt(this.#file as number, bytes, at, length - at, start + at);
        if (found.bytesRead === 0) throw new Error('they are shorter than they were');
        at += found.bytesRead;
      }
    } catch (error) {
      throw spillError(`Cannot read temporary files in '${this.#folder}'`, error);
    }
    return bytes;
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}

function openUnnamed(folder: string): number {
  const own = mkdtempSync(join(folder, 'tidemark-diff-'));
  try {
    return openSync(join(own, 'spill'), 'wx+', 0o600);
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
}

function spillError(what: string, error: unknown): CodedError {
  const found = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
  const isFull = found === 'ENOSPC' || found === 'EDQUOT';
  return new CodedError(isFull ? 'STORAGE_FULL' : 'STORAGE_FAILED', `${what}: ${found}`, {
    hint: 'Name a folder on a local disk with more room by --temp',
    cause: error,
  });
}

type Segment = { readonly start: number; readonly length: number };
type Partition = { readonly segments: Segment[]; waiting: Uint8Array[]; bytes: number };

/**
 * The records of one side by partition, in memory as long as they fit `memoryBytes`, in a file
 * from then on.
 */
export class Spill {
  readonly #file: SpillFile;
  readonly #memoryBytes: number;
  readonly #partitions: Partition[];
  #waitingBytes = 0;
  #spilledBytes = 0;

  constructor(partitions: number, file: SpillFile, memoryBytes: number) {
    this.#file = file;
    this.#memoryBytes = memoryBytes;
    const empty = (): Partition => ({ segments: [], waiting: [], bytes: 0 });
    this.#partitions = Array.from({ length: partitions }, empty);
  }

  get spilledBytes(): number {
    return this.#spilledBytes;
  }

  bytesOf(partition: number): number {
    return this.#partitions[partition].bytes;
  }

  /** Takes the records over. One call at a time. */
  async add({ records, sizes }: DigestedBlocks): Promise<void> {
    let at = 0;
    for (const [index, size] of sizes.entries()) {
      if (size === 0) continue;
      const partition = this.#partitions[index];
      partition.waiting.push(records.subarray(at, at + size));
      partition.bytes += size;
      at += size;
    }
    this.#waitingBytes += records.length;
    if (this.#waitingBytes > this.#memoryBytes) await this.#flush();
  }

  async #flush(): Promise<void> {
    for (const partition of this.#partitions) {
      if (partition.waiting.length === 0) continue;
      const bytes = Buffer.concat(partition.waiting);
      partition.waiting = [];
      await this.#file.append(bytes);
      partition.segments.push({ start: this.#spilledBytes, length: bytes.length });
      this.#spilledBytes += bytes.length;
    }
    this.#waitingBytes = 0;
  }

  /** All records of a partition in the order of `add`, in chunks of whole records. */
  async *read(partition: number): AsyncGenerator<Uint8Array> {
    const { segments, waiting } = this.#partitions[partition];
    for (const { start, length } of segments) yield await this.#file.read(start, length);
    yield* waiting;
  }

  /** Gives the memory of a partition back that nobody reads again. */
  forget(partition: number): void {
    this.#partitions[partition].waiting = [];
  }

  close(): void {
    this.#file.close();
  }
}
