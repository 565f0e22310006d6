import type { ObjectInfo, ObjectWriter, ReadOptions, Storage } from '../storage/index.ts';

/** What an answer cost: requests to the storage, and the bytes that they brought. */
export type ReadCost = { readonly requests: number; readonly bytes: number };

/** Counts what is read through it and changes nothing. A listing counts as one request. */
export class CountedReads implements Storage {
  readonly location: string;
  readonly #inner: Storage;
  #requests = 0;
  #bytes = 0;

  constructor(inner: Storage) {
    this.#inner = inner;
    this.location = inner.location;
  }

  get cost(): ReadCost {
    return { requests: this.#requests, bytes: this.#bytes };
  }

  async read(name: string, options?: ReadOptions, signal?: AbortSignal): Promise<Buffer> {
    this.#requests++;
    const bytes = await this.#inner.read(name, options, signal);
    this.#bytes += bytes.length;
    return bytes;
  }

  async stat(name: string, signal?: AbortSignal): Promise<ObjectInfo> {
    this.#requests++;
    return await this.#inner.stat(name, signal);
  }

  async exists(name: string, signal?: AbortSignal): Promise<boolean> {
    this.#requests++;
    return await this.#inner.exists(name, signal);
  }

  list(prefix: string, signal?: AbortSignal): AsyncIterable<ObjectInfo> {
    this.#requests++;
    return this.#inner.list(prefix, signal);
  }

  async folders(prefix: string, signal?: AbortSignal): Promise<readonly string[]> {
    this.#requests++;
    return await this.#inner.folders(prefix, signal);
  }

  async create(name: string, signal?: AbortSignal): Promise<ObjectWriter> {
    return await this.#inner.create(name, signal);
  }

  async put(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    await this.#inner.put(name, bytes, signal);
  }

  async remove(name: string, signal?: AbortSignal): Promise<void> {
    await this.#inner.remove(name, signal);
  }

  async now(signal?: AbortSignal): Promise<number> {
    return await this.#inner.now(signal);
  }
}
