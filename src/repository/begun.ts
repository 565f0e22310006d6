import { hostname } from 'node:os';
import { begunFolder } from './layout.ts';
import { removeOlder, writeSeries } from './records/series.ts';
import type { Repository } from './repository.ts';

const FORMAT = 'tidemark-begun';
export const HEARTBEAT_MS = 60_000;

/**
 * The sign that a backup is being written: a numbered series, one member a minute. What has no
 * manifest and whose newest sign is older than three days is garbage. A beat that fails is only
 * missed: nothing but that patience depends on it.
 */
export class Heartbeat {
  readonly #repository: Repository;
  readonly #folder: string;
  readonly #members: Readonly<Record<string, unknown>>;
  readonly #everyMs: number;
  #number = 0;
  #timer: NodeJS.Timeout | undefined;
  #beating: Promise<void> = Promise.resolve();
  #ended = false;

  private constructor(repository: Repository, source: string, backup: string, everyMs: number) {
    this.#repository = repository;
    this.#folder = begunFolder(source, backup);
    this.#everyMs = everyMs;
    const startedAt = new Date(repository.clock.now()).toISOString();
    this.#members = { backup, startedAt, host: hostname(), pid: process.pid };
  }

  /** The first beat is durable when resolved: no data may be written before. */
  static async begin(
    repository: Repository,
    source: string,
    backup: string,
    everyMs: number = HEARTBEAT_MS,
    signal?: AbortSignal,
  ): Promise<Heartbeat> {
    const heartbeat = new Heartbeat(repository, source, backup, everyMs);
    await heartbeat.#write(signal);
    heartbeat.#schedule();
    return heartbeat;
  }

  /** No more beats; what is left of the series goes, best effort. Never fails. */
  async end(): Promise<void> {
    this.#ended = true;
    clearTimeout(this.#timer);
    await this.#beating;
    await removeOlder(this.#repository.storage, this.#folder, this.#number + 1);
  }

  #schedule(): void {
    this.#timer = setTimeout(() => {
      this.#beating = this.#beat();
    }, this.#everyMs);
    this.#timer.unref();
  }

  async #beat(): Promise<void> {
    try {
      await this.#write();
      await removeOlder(this.#repository.storage, this.#folder, this.#number);
    } catch {
      // Missed: the next one comes in a minute, and three days are granted.
    }
    if (!this.#ended) this.#schedule();
  }

  async #write(signal?: AbortSignal): Promise<void> {
    // A number is used once, also when its beat failed: the storage may have kept it all the same.
    this.#number++;
    const number = this.#number;
    const beatAt = new Date(this.#repository.clock.now()).toISOString();
    const members = { ...this.#members, beatAt };
    await writeSeries(this.#repository.storage, this.#folder, FORMAT, number, members, signal);
  }
}
