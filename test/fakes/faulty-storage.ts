import { CodedError, type ErrorCode } from '../../src/base/index.ts';
import type { ObjectInfo, ObjectWriter, ReadOptions, Storage } from '../../src/storage/index.ts';

export type StorageVerb =
  | 'create'
  | 'write'
  | 'commit'
  | 'put'
  | 'read'
  | 'stat'
  | 'exists'
  | 'list'
  | 'folders'
  | 'remove'
  | 'now';

export type StorageCall = {
  /** From 0, over all verbs. */
  readonly index: number;
  readonly verb: StorageVerb;
  readonly name: string;
};

export type Fault =
  /** Fails without doing anything. */
  | { readonly kind: 'fail'; readonly code?: ErrorCode }
  /** Does it, and then says that it failed: the answer was lost. */
  | { readonly kind: 'fail-after'; readonly code?: ErrorCode }
  /** Lets other work go first. */
  | { readonly kind: 'delay' }
  /** A read gives fewer bytes, and with the contract's error. */
  | { readonly kind: 'truncate' }
  /** A read gives one wrong bit, silently. */
  | { readonly kind: 'flip' };

export type FaultPlan = (call: StorageCall) => Fault | undefined;

/** Wraps a storage and goes wrong as planned. Calls are recorded in `calls`. */
export class FaultyStorage implements Storage {
  readonly calls: StorageCall[] = [];
  readonly #inner: Storage;
  readonly #plan: FaultPlan;

  constructor(inner: Storage, plan: FaultPlan = () => undefined) {
    this.#inner = inner;
    this.#plan = plan;
  }

  get location(): string {
    return this.#inner.location;
  }

  async create(name: string, signal?: AbortSignal): Promise<ObjectWriter> {
    const writer = await this.#go('create', name, () => this.#inner.create(name, signal));
    return {
      name,
      get size() {
        return writer.size;
      },
      write: (chunk, writeSignal) =>
        this.#go('write', name, () => writer.write(chunk, writeSignal)),
      commit: (commitSignal) => this.#go('commit', name, () => writer.commit(commitSignal)),
      abort: () => writer.abort(),
    };
  }

  put(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.#go('put', name, () => this.#inner.put(name, bytes, signal));
  }

  read(name: string, options?: ReadOptions, signal?: AbortSignal): Promise<Buffer> {
    return this.#go('read', name, () => this.#inner.read(name, options, signal));
  }

  stat(name: string, signal?: AbortSignal): Promise<ObjectInfo> {
    return this.#go('stat', name, () => this.#inner.stat(name, signal));
  }

  exists(name: string, signal?: AbortSignal): Promise<boolean> {
    return this.#go('exists', name, () => this.#inner.exists(name, signal));
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncGenerator<ObjectInfo> {
    await this.#go('list', prefix, async () => {});
    yield* this.#inner.list(prefix, signal);
  }

  folders(prefix: string, signal?: AbortSignal): Promise<readonly string[]> {
    return this.#go('folders', prefix, () => this.#inner.folders(prefix, signal));
  }

  remove(name: string, signal?: AbortSignal): Promise<void> {
    return this.#go('remove', name, () => this.#inner.remove(name, signal));
  }

  now(signal?: AbortSignal): Promise<number> {
    return this.#go('now', '', () => this.#inner.now(signal));
  }

  async #go<T>(verb: StorageVerb, name: string, act: () => Promise<T>): Promise<T> {
    const call = { index: this.calls.length, verb, name };
    this.calls.push(call);
    const fault = this.#plan(call);
    if (fault?.kind === 'fail') throw failure(call, fault.code);
    if (fault?.kind === 'truncate') throw failure(call, 'OBJECT_CORRUPT');
    if (fault?.kind === 'delay') await new Promise((resolve) => setImmediate(resolve));
    const result = await act();
    if (fault?.kind === 'fail-after') throw failure(call, fault.code);
    if (fault?.kind === 'flip' && Buffer.isBuffer(result) && result.length > 0) {
      const at = (call.index * 7919) % result.length;
      result[at] ^= 1 << (call.index & 7);
    }
    return result;
  }
}

/** The process dies at call `index`: that call and all later ones fail. */
export function crashAt(index: number, kind: 'fail' | 'fail-after'): FaultPlan {
  return (call) => {
    if (call.index < index) return undefined;
    return { kind: call.index === index ? kind : 'fail' };
  };
}

/** Seeded: each call goes wrong with this probability, in one of these ways. */
export function randomFaults(
  seed: number,
  probability: number,
  kinds: readonly Fault['kind'][],
): FaultPlan {
  let state = seed >>> 0;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return () => {
    if (random() >= probability) return undefined;
    return { kind: kinds[Math.floor(random() * kinds.length)] };
  };
}

function failure(call: StorageCall, code: ErrorCode = 'STORAGE_FAILED'): CodedError {
  const message = `Cannot ${call.verb} '${call.name}': an injected fault at call ${call.index}`;
  return new CodedError(code, message, { object: call.name });
}
