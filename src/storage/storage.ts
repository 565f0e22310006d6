/**
 * The contract of every object storage. Failures are CodedErrors that carry the object's name:
 * OBJECT_MISSING, OBJECT_EXISTS, OBJECT_CORRUPT (fewer bytes than asked for), STORAGE_FULL,
 * STORAGE_READ_ONLY, STORAGE_FAILED (anything else), NAME_INVALID. An aborted signal rejects with
 * the signal's reason.
 */
export interface Storage {
  /** Where this is, for messages; holds no secret. */
  readonly location: string;

  /**
   * Begins one object. Nothing is listed or readable before `commit`; an abandoned writer, even by
   * a dead process, leaves nothing listed. May create the storage's own place (a missing folder).
   */
  create(name: string, signal?: AbortSignal): Promise<ObjectWriter>;

  /** Stores a small object whole. Durable when resolved; OBJECT_EXISTS leaves the old one. */
  put(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void>;

  /**
   * Reads `[start, end)`, by default the whole object. The buffer is the caller's. Resolves with
   * exactly the bytes asked for, or fails with OBJECT_CORRUPT when the object is shorter.
   */
  read(name: string, options?: ReadOptions, signal?: AbortSignal): Promise<Buffer>;

  /** Fails with OBJECT_MISSING when there is none. */
  stat(name: string, signal?: AbortSignal): Promise<ObjectInfo>;

  exists(name: string, signal?: AbortSignal): Promise<boolean>;

  /**
   * Every object whose name begins with `prefix`, in order of their names' bytes. The prefix is a
   * plain beginning of text, it need not end at a slash. Objects made or removed meanwhile may
   * appear or not; all others appear exactly once.
   */
  list(prefix: string, signal?: AbortSignal): AsyncIterable<ObjectInfo>;

  /**
   * The distinct next path segments below `prefix` (which ends with a slash, or is empty) that have
   * objects below them, sorted. One request where the storage can do so.
   */
  folders(prefix: string, signal?: AbortSignal): Promise<readonly string[]>;

  /** Removes an object, durably. Idempotent: a missing object is no error. */
  remove(name: string, signal?: AbortSignal): Promise<void>;

  /**
   * Unix milliseconds by the storage's own clock, the one behind `modifiedAtMs`. May write, so it
   * is for writers only.
   */
  now(signal?: AbortSignal): Promise<number>;
}

export interface ObjectWriter {
  readonly name: string;
  /** Bytes given to `write` so far. */
  readonly size: number;
  /**
   * Appends. The chunk is the writer's until the promise resolves and the caller's again then, so
   * it may be reused after awaiting. One call at a time.
   */
  write(chunk: Uint8Array, signal?: AbortSignal): Promise<void>;
  /**
   * Makes the object visible under its name, atomically, and durable. OBJECT_EXISTS when the name
   * is taken: the existing object stays as it was. After a failure nothing is visible; the writer
   * is spent either way.
   */
  commit(signal?: AbortSignal): Promise<void>;
  /** Forgets what was written. Never fails; may be called at any time, also after `commit`. */
  abort(): Promise<void>;
}

export type ObjectInfo = {
  readonly name: string;
  readonly size: number;
  /** Unix milliseconds by the storage's own clock: when the object became what it is. */
  readonly modifiedAtMs: number;
};

export type ReadOptions = {
  /** First byte, 0 by default. */
  readonly start?: number;
  /** One past the last byte, by default the object's end. */
  readonly end?: number;
  /** Refuse (OBJECT_CORRUPT) rather than allocate more than this. */
  readonly maxBytes?: number;
};
