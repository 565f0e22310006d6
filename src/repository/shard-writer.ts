import { assert } from '../base/index.ts';
import { type DataBlock, DataFileWriter } from './data-file/data-file-writer.ts';
import { dataFileObject } from './layout.ts';
import type { DataFileRecord } from './records/manifest.ts';
import type { Repository } from './repository.ts';

export type ShardPlace = {
  readonly source: string;
  readonly backup: string;
  readonly shard: string;
  readonly slotRanges: number;
};

/**
 * The entries of one shard of a backup on their way into data files. Blocks are stored in the order
 * of `append`; files end between keys, where `DataFileWriter.shouldClose` says so.
 */
export class ShardWriter {
  /** What the whole backup is expected to store, all shards together; decides the file size. */
  expectedBytes = 0;
  readonly files: DataFileRecord[] = [];
  readonly #repository: Repository;
  readonly #place: ShardPlace;
  #current: DataFileWriter | undefined;
  #closed = false;

  constructor(repository: Repository, place: ShardPlace) {
    this.#repository = repository;
    this.#place = place;
  }

  /** Names of every file begun, durable or not. */
  get names(): string[] {
    const begun = this.files.map((file) => file.name);
    return this.#current === undefined ? begun : [...begun, this.#current.name];
  }

  /**
   * Writes one block; call again only when it has resolved. The `stored` bytes are the caller's
   * again then. Waiting for it is the backpressure.
   */
  async append(block: DataBlock, signal?: AbortSignal): Promise<void> {
    assert(!this.#closed, 'a closed shard was written to');
    const { stored, continues = false } = block;
    if (this.#current?.shouldClose(this.expectedBytes, stored.length, continues) === true) {
      await this.#closeCurrent(signal);
    }
    this.#current ??= await this.#beginFile(signal);
    await this.#current.append(block, signal);
  }

  /** Ends the shard; its files are durable when resolved. Idempotent. */
  async close(signal?: AbortSignal): Promise<void> {
    this.#closed = true;
    await this.#closeCurrent(signal);
  }

  /** Forgets the file that is being written. Never fails. */
  async abort(): Promise<void> {
    this.#closed = true;
    const current = this.#current;
    this.#current = undefined;
    await current?.abort();
  }

  async #closeCurrent(signal?: AbortSignal): Promise<void> {
    const current = this.#current;
    if (current === undefined) return;
    this.files.push(await current.close(signal));
    this.#current = undefined;
  }

  async #beginFile(signal?: AbortSignal): Promise<DataFileWriter> {
    const { source, backup, shard, slotRanges } = this.#place;
    const sequence = this.files.length + 1;
    const name = dataFileObject(source, backup, shard, sequence);
    const repository = this.#repository.id;
    const header = { repository, source, backup, shard, sequence, kind: 'entries' } as const;
    return await DataFileWriter.begin(this.#repository.storage, name, header, slotRanges, signal);
  }
}
