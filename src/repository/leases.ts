import { CodedError, isCoded } from '../base/index.ts';
import { leaseFolder } from './layout.ts';
import { highestNumber, readSeries, removeOlder, writeSeries } from './records/series.ts';
import type { SeriesMember } from './records/series.ts';
import type { Repository } from './repository.ts';

const FORMAT = 'tidemark-lease';
const ATTEMPTS = 3;

/**
 * Who may do what until when: a numbered series that needs nothing of a storage but
 * create-if-absent. The highest number owns until its expiry by the storage's own clock; renewing
 * writes the next number. Correctness never depends on a lease: two owners may only cause
 * duplicate, identical or unlisted objects.
 */
export class Lease {
  readonly what: string;
  readonly owner: string;
  readonly durationMs: number;
  readonly #repository: Repository;
  #number: number;

  private constructor(repository: Repository, wanted: WantedLease, number: number) {
    this.#repository = repository;
    this.what = wanted.what;
    this.owner = wanted.owner;
    this.durationMs = wanted.durationMs;
    this.#number = number;
  }

  /** LEASE_HELD, naming the owner, when somebody else's has not expired. */
  static async acquire(
    repository: Repository,
    wanted: WantedLease,
    signal?: AbortSignal,
  ): Promise<Lease> {
    const { storage } = repository;
    const folder = leaseFolder(wanted.what);
    for (let attempt = 1; ; attempt++) {
      await refuseIfHeld(repository, wanted.what, signal);
      const number = (await highestNumber(storage, folder, signal)) + 1;
      try {
        await writeSeries(storage, folder, FORMAT, number, members(wanted, false), signal);
        await removeOlder(storage, folder, number, signal);
        return new Lease(repository, wanted, number);
      } catch (error) {
        // Somebody else was faster, and then most likely holds it now.
        if (!isCoded(error, 'OBJECT_EXISTS') || attempt === ATTEMPTS) throw error;
      }
    }
  }

  /** The lease lasts `durationMs` from now. LEASE_HELD when it has been taken over. */
  async renew(signal?: AbortSignal): Promise<void> {
    await this.#writeNext(false, signal);
    await removeOlder(this.#repository.storage, leaseFolder(this.what), this.#number, signal);
  }

  /** Lets others in at once. Does nothing when it has been taken over. */
  async release(signal?: AbortSignal): Promise<void> {
    try {
      await this.#writeNext(true, signal);
    } catch (error) {
      if (!isCoded(error, 'LEASE_HELD')) throw error;
    }
  }

  async #writeNext(released: boolean, signal?: AbortSignal): Promise<void> {
    const { storage } = this.#repository;
    const folder = leaseFolder(this.what);
    const next = this.#number + 1;
    try {
      await writeSeries(storage, folder, FORMAT, next, members(this, released), signal);
    } catch (error) {
      if (!isCoded(error, 'OBJECT_EXISTS')) throw error;
      const message = `Cannot renew the lease '${this.what}': another Tidemark took it over`;
      throw new CodedError('LEASE_HELD', message, { cause: error });
    }
    this.#number = next;
  }
}

export type WantedLease = {
  /** What for: lower-case letters, digits, dots, dashes. */
  readonly what: string;
  /** Who, for the message that others get; e.g. host and process. */
  readonly owner: string;
  readonly durationMs: number;
};

async function refuseIfHeld(
  repository: Repository,
  what: string,
  signal?: AbortSignal,
): Promise<void> {
  const current = await readLatest(repository, what, signal);
  if (current === undefined || current.fields.boolean('released')) return;
  const expiresAtMs = current.info.modifiedAtMs + current.fields.integer('durationMs');
  const nowMs = await repository.storage.now(signal);
  if (expiresAtMs <= nowMs) return;
  const owner = current.fields.text('owner');
  const seconds = Math.ceil((expiresAtMs - nowMs) / 1000);
  throw new CodedError(
    'LEASE_HELD',
    `Cannot get the lease '${what}': ${owner} holds it for another ${seconds} s`,
  );
}

/** A lease that nobody can read binds nobody. */
async function readLatest(
  repository: Repository,
  what: string,
  signal?: AbortSignal,
): Promise<SeriesMember | undefined> {
  try {
    return await readSeries(repository.storage, leaseFolder(what), FORMAT, signal);
  } catch (error) {
    if (isCoded(error, 'REPOSITORY_CORRUPT')) return undefined;
    throw error;
  }
}

function members(wanted: WantedLease, released: boolean): Readonly<Record<string, unknown>> {
  const { owner, durationMs } = wanted;
  return { owner, durationMs, released };
}
