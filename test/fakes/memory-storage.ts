import { type Clock, CodedError, systemClock } from '../../src/base/index.ts';
import {
  checkObjectName,
  checkPrefix,
  type ObjectInfo,
  type ObjectWriter,
  type ReadOptions,
  type Storage,
} from '../../src/storage/index.ts';

type Held = { bytes: Buffer; modifiedAtMs: number };

/** A storage in memory, for tests of what stands above: no fsync, and a clock that can be held. */
export class MemoryStorage implements Storage {
  readonly location = 'memory';
  readonly objects = new Map<string, Held>();
  readonly #clock: Clock;
  /** False: behaves like a store that overwrites. */
  ifNotExists = true;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** A storage with the same objects, independent from now on. */
  copy(): MemoryStorage {
    const copied = new MemoryStorage(this.#clock);
    for (const [name, held] of this.objects) copied.objects.set(name, { ...held });
    return copied;
  }

  async create(name: string, signal?: AbortSignal): Promise<ObjectWriter> {
    checkObjectName(name);
    signal?.throwIfAborted();
    const chunks: Buffer[] = [];
    let size = 0;
    const commit = (): void => {
      if (this.ifNotExists && this.objects.has(name)) {
        throw new CodedError('OBJECT_EXISTS', `Cannot write '${name}': it exists`, {
          object: name,
        });
      }
      const modifiedAtMs = this.#clock.now();
      this.objects.set(name, { bytes: Buffer.concat(chunks), modifiedAtMs });
    };
    return {
      name,
      get size() {
        return size;
      },
      write: async (chunk: Uint8Array, writeSignal?: AbortSignal) => {
        writeSignal?.throwIfAborted();
        chunks.push(Buffer.from(chunk));
        size += chunk.length;
      },
      commit: async (commitSignal?: AbortSignal) => {
        commitSignal?.throwIfAborted();
        commit();
      },
      abort: async () => {},
    };
  }

  async put(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    const writer = await this.create(name, signal);
    await writer.write(bytes);
    await writer.commit();
  }

  async read(name: string, options: ReadOptions = {}, signal?: AbortSignal): Promise<Buffer> {
    const { bytes } = this.#held(name, signal);
    const { start = 0, end = Math.max(bytes.length, start), maxBytes = Infinity } = options;
    if (start > end || end > bytes.length || end - start > maxBytes) {
      throw new CodedError('OBJECT_CORRUPT', `Cannot read ${start} to ${end} of '${name}'`, {
        object: name,
      });
    }
    return Buffer.from(bytes.subarray(start, end));
  }

  async stat(name: string, signal?: AbortSignal): Promise<ObjectInfo> {
    const { bytes, modifiedAtMs } = this.#held(name, signal);
    return { name, size: bytes.length, modifiedAtMs };
  }

  async exists(name: string, signal?: AbortSignal): Promise<boolean> {
    checkObjectName(name);
    signal?.throwIfAborted();
    return this.objects.has(name);
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncGenerator<ObjectInfo> {
    checkPrefix(prefix);
    signal?.throwIfAborted();
    for (const name of [...this.objects.keys()].sort()) {
      const held = this.objects.get(name);
      if (held === undefined || !name.startsWith(prefix)) continue;
      yield { name, size: held.bytes.length, modifiedAtMs: held.modifiedAtMs };
    }
  }

  async folders(prefix: string, signal?: AbortSignal): Promise<readonly string[]> {
    checkPrefix(prefix);
    signal?.throwIfAborted();
    const folders = new Set<string>();
    for (const name of this.objects.keys()) {
      const rest = name.slice(prefix.length).split('/');
      if (name.startsWith(prefix) && rest.length > 1) folders.add(rest[0]);
    }
    return [...folders].sort();
  }

  async remove(name: string, signal?: AbortSignal): Promise<void> {
    checkObjectName(name);
    signal?.throwIfAborted();
    this.objects.delete(name);
  }

  async now(): Promise<number> {
    return this.#clock.now();
  }

  #held(name: string, signal?: AbortSignal): Held {
    checkObjectName(name);
    signal?.throwIfAborted();
    const held = this.objects.get(name);
    if (held !== undefined) return held;
    throw new CodedError('OBJECT_MISSING', `Cannot read '${name}': there is none`, {
      object: name,
    });
  }
}
