import { CodedError } from '../base/index.ts';
import type { ObjectInfo, ObjectWriter, ReadOptions, Storage } from './storage.ts';

/** Refuses every change with STORAGE_READ_ONLY, for commands that only read. */
export class ReadOnlyStorage implements Storage {
  readonly location: string;
  readonly #inner: Storage;

  constructor(inner: Storage) {
    this.#inner = inner;
    this.location = inner.location;
  }

  create(name: string): Promise<ObjectWriter> {
    return Promise.reject(this.#refusal('create', name));
  }

  put(name: string): Promise<void> {
    return Promise.reject(this.#refusal('create', name));
  }

  remove(name: string): Promise<void> {
    return Promise.reject(this.#refusal('remove', name));
  }

  /** Asking the storage for its time may write: the time of this machine has to do. */
  now(): Promise<number> {
    return Promise.resolve(Date.now());
  }

  read(name: string, options?: ReadOptions, signal?: AbortSignal): Promise<Buffer> {
    return this.#inner.read(name, options, signal);
  }

  stat(name: string, signal?: AbortSignal): Promise<ObjectInfo> {
    return this.#inner.stat(name, signal);
  }

  exists(name: string, signal?: AbortSignal): Promise<boolean> {
    return this.#inner.exists(name, signal);
  }

  list(prefix: string, signal?: AbortSignal): AsyncIterable<ObjectInfo> {
    return this.#inner.list(prefix, signal);
  }

  folders(prefix: string, signal?: AbortSignal): Promise<readonly string[]> {
    return this.#inner.folders(prefix, signal);
  }

  #refusal(verb: string, name: string): CodedError {
    return new CodedError(
      'STORAGE_READ_ONLY',
      `Cannot ${verb} '${name}': the storage at ${this.location} was opened for reading only`,
      { object: name },
    );
  }
}
