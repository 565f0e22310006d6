import { assert, CodedError, isCoded } from '../base/index.ts';
import { listBackups, manifestDigest } from './backups.ts';
import { Heartbeat } from './begun.ts';
import { MAX_SLOT_RANGES } from './data-file/data-file-format.ts';
import { openDataFile } from './data-file/data-file-reader.ts';
import { writeInstanceRecord } from './instance-record.ts';
import { backupTime, isShardId, manifestObject, newBackupId } from './layout.ts';
import { type BackupFacts, type DataFileRecord, type Manifest } from './records/manifest.ts';
import {
  encodeManifest,
  findInconsistency,
  parseManifest,
  sumTotals,
} from './records/manifest-document.ts';
import type { Repository } from './repository.ts';
import { ShardWriter } from './shard-writer.ts';

const PREDECESSOR_ATTEMPTS = 5;

const SECOND_MS = 1000;
/** A clock that was wrong by more than this is not followed. */
const MAX_AHEAD_MS = 24 * 3600 * SECOND_MS;

export type BackupOptions = {
  /** Into how many slot ranges the blocks are partitioned, 1 to 16; 1 by default. */
  readonly slotRanges?: number;
  readonly heartbeatMs?: number;
};

/**
 * The one way to write a backup: begin, write shards and instance records in any order and also
 * at the same time, then `commit` or `abort`. Nothing is listed before the manifest, which `commit`
 * stores when every file it names is durable. A writer whose process dies leaves garbage that is
 * known as such by its heartbeat.
 */
export class BackupWriter {
  readonly id: string;
  readonly source: string;
  readonly slotRanges: number;
  readonly #repository: Repository;
  readonly #heartbeat: Heartbeat;
  readonly #shards = new Map<string, ShardWriter>();
  readonly #instances: DataFileRecord[] = [];
  #state: 'open' | 'committing' | 'committed' | 'aborted' = 'open';

  private constructor(
    repository: Repository,
    source: string,
    id: string,
    heartbeat: Heartbeat,
    slotRanges: number,
  ) {
    this.#repository = repository;
    this.source = source;
    this.id = id;
    this.#heartbeat = heartbeat;
    this.slotRanges = slotRanges;
  }

  /** `source` is the id of an existing source. The beginning is recorded durably when resolved. */
  static async begin(
    repository: Repository,
    source: string,
    options: BackupOptions = {},
    signal?: AbortSignal,
  ): Promise<BackupWriter> {
    const slotRanges = options.slotRanges ?? 1;
    assert(slotRanges >= 1 && slotRanges <= MAX_SLOT_RANGES, 'slot ranges out of bounds');
    const id = await chooseId(repository, source, signal);
    const everyMs = options.heartbeatMs;
    const heartbeat = await Heartbeat.begin(repository, source, id, everyMs, signal);
    return new BackupWriter(repository, source, id, heartbeat, slotRanges);
  }

  /** The writer of one shard, the same one each time. `shardId` makes the id. */
  shard(shard: string): ShardWriter {
    assert(this.#state === 'open', 'a finished backup was written to');
    assert(isShardId(shard), 'no shard id');
    let writer = this.#shards.get(shard);
    if (writer === undefined) {
      const { source, id: backup, slotRanges } = this;
      writer = new ShardWriter(this.#repository, { source, backup, shard, slotRanges });
      this.#shards.set(shard, writer);
    }
    return writer;
  }

  /** Stores a shard's instance record, once: any values that JSON can express, one per line. */
  async writeInstance(
    shard: string,
    lines: Iterable<unknown>,
    signal?: AbortSignal,
  ): Promise<void> {
    assert(this.#state === 'open', 'a finished backup was written to');
    const place = { source: this.source, backup: this.id, shard };
    this.#instances.push(await writeInstanceRecord(this.#repository, place, lines, signal));
  }

  /**
   * Closes every shard, checks that each file is there with the directory it should have, stores
   * the manifest and reads it back. When resolved, the backup is durable and listed. After a
   * failure it is not listed, unless the storage hid the success of the very last step; call
   * `abort`, which leaves a stored manifest and its files alone.
   */
  async commit(facts: BackupFacts, signal?: AbortSignal): Promise<Manifest> {
    assert(this.#state === 'open', 'a finished backup was committed');
    this.#state = 'committing';
    const files: DataFileRecord[] = [];
    for (const shard of this.#shards.values()) {
      await shard.close(signal);
      files.push(...shard.files);
    }
    files.push(...this.#instances);
    files.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const file of files) await openDataFile(this.#repository.storage, file, signal);
    const manifest = await this.#composeManifest(facts, files, signal);
    await this.#storeManifest(manifest, signal);
    this.#state = 'committed';
    await this.#heartbeat.end();
    return manifest;
  }

  /**
   * Removes what was written, best effort. Never fails; does nothing after a commit. No `append`
   * may be under way.
   */
  async abort(): Promise<void> {
    if (this.#state === 'committed' || this.#state === 'aborted') return;
    const mayBeStored = this.#state === 'committing';
    this.#state = 'aborted';
    for (const shard of this.#shards.values()) await shard.abort();
    if (!mayBeStored || (await this.#isSurelyUnlisted())) await this.#removeFiles();
    await this.#heartbeat.end();
  }

  async #composeManifest(
    facts: BackupFacts,
    files: readonly DataFileRecord[],
    signal?: AbortSignal,
  ): Promise<Manifest> {
    const repository = this.#repository;
    const manifest: Manifest = {
      id: this.id,
      repository: repository.id,
      source: this.source,
      requires: [],
      optional: [],
      writer: { name: 'tidemark', version: repository.writerVersion },
      parents: [],
      predecessor: await this.#findPredecessor(signal),
      consistency: facts.consistency,
      startedAt: facts.startedAt,
      snapshotAt: facts.snapshotAt,
      endedAt: facts.endedAt,
      totals: sumTotals(files, facts.databases),
      databases: facts.databases,
      lossy: facts.lossy,
      labels: facts.labels,
      selection: facts.selection,
      slotRanges: this.slotRanges,
      topology: facts.topology,
      shards: facts.shards,
      files,
    };
    const found = findInconsistency(manifest, this.#manifestPlace());
    assert(found === undefined, `an inconsistent manifest: ${found}`);
    return manifest;
  }

  async #storeManifest(manifest: Manifest, signal?: AbortSignal): Promise<void> {
    const { storage } = this.#repository;
    const place = this.#manifestPlace();
    const bytes = encodeManifest(manifest);
    // What we could not read must not be written: the check costs nothing beside the backup.
    parseManifest(bytes, place);
    await storage.put(place.object, bytes, signal);
    if (await this.#readsBack(place.object, bytes)) return;
    await storage.remove(place.object).catch(() => {});
    throw new CodedError('OBJECT_CORRUPT', `Cannot read '${place.object}' back as it was written`, {
      object: place.object,
    });
  }

  /** A storage that cannot be reached now has still promised that the manifest is durable. */
  async #readsBack(object: string, bytes: Buffer): Promise<boolean> {
    try {
      return (await this.#repository.storage.read(object)).equals(bytes);
    } catch (error) {
      if (isCoded(error, 'OBJECT_MISSING', 'OBJECT_CORRUPT')) return false;
      if (isCoded(error)) return true;
      throw error;
    }
  }

  async #findPredecessor(signal?: AbortSignal): Promise<Manifest['predecessor']> {
    const repository = this.#repository;
    for (let attempt = 1; ; attempt++) {
      const newest = (await listBackups(repository, this.source, signal)).at(-1);
      if (newest === undefined) return null;
      try {
        const digest = await manifestDigest(repository, this.source, newest.id, signal);
        return { id: newest.id, digest };
      } catch (error) {
        // Pruned since it was listed: then another one is the newest.
        if (!isCoded(error, 'OBJECT_MISSING') || attempt === PREDECESSOR_ATTEMPTS) throw error;
      }
    }
  }

  async #isSurelyUnlisted(): Promise<boolean> {
    try {
      return !(await this.#repository.storage.exists(this.#manifestPlace().object));
    } catch {
      return false;
    }
  }

  async #removeFiles(): Promise<void> {
    const names = this.#instances.map((file) => file.name);
    for (const shard of this.#shards.values()) names.push(...shard.names);
    for (const name of names) {
      try {
        await this.#repository.storage.remove(name);
      } catch (error) {
        if (!isCoded(error)) throw error;
      }
    }
  }

  #manifestPlace() {
    const { source, id: backup } = this;
    return {
      object: manifestObject(source, backup),
      repository: this.#repository.id,
      source,
      backup,
    };
  }
}

/**
 * Ids sort by time and tell whole seconds: one that is begun in the same second as the latest, or
 * after the clock was set back, gets the next second, so that `latest` stays the last one begun.
 */
async function chooseId(
  repository: Repository,
  source: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const now = repository.clock.now();
  const latest = (await listBackups(repository, source, signal)).at(-1);
  const after = latest === undefined ? 0 : backupTime(latest.id) + SECOND_MS;
  return newBackupId(after - now > MAX_AHEAD_MS ? now : Math.max(now, after), repository.random);
}
