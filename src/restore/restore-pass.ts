import { availableParallelism } from 'node:os';
import { type PlannedBlock, planBlocks } from '../repository/index.ts';
import { BlockRestorer, type PreparedBlock } from './block-restorer.ts';
import { Tally } from './counts.ts';
import { EncodePool } from './encode/encode-pool.ts';
import type { BlockPlace } from './journal/task-past.ts';
import { LongKeyLines } from './long-keys/long-key-lines.ts';
import { LongKeys } from './long-keys/long-keys.ts';
import { LookPool } from './look/look-pool.ts';
import type { PassOptions } from './pass-options.ts';
import { Pipeline } from './pipeline.ts';

const MAX_WORKERS = 8;

/** Connections that look at the target. */
const MAX_LOOKERS = 4;

/** Batches that have been sent and not been accounted for. */
const MAX_UNSETTLED = 4;

type Job = {
  readonly prepared: Promise<PreparedBlock>;
  readonly rawLength: number;
};

/**
 * One walk over the selected blocks of a backup: workers encode them and look at the target ahead,
 * one thread sends the commands in order and accounts for the replies. What an earlier run of the
 * task has done is passed over. Keys of several parts go to LongKeys.
 */
export class RestorePass {
  readonly #options: PassOptions;
  readonly #pool: EncodePool;
  readonly #looks: LookPool;
  readonly #ahead: number;
  readonly #pipeline: Pipeline | undefined;
  readonly #restorer: BlockRestorer;
  readonly #longKeys: LongKeys;
  readonly #files: ReadonlyMap<string, number>;
  readonly #jobs: Job[] = [];
  readonly #unsettled: Promise<void>[] = [];
  #keys = 0;
  #bytes = 0;

  constructor(options: PassOptions) {
    this.#options = options;
    const { request, control, writing, facts, conflict, encoding, pacer } = options;
    const workers =
      request.workers ?? Math.max(1, Math.min(MAX_WORKERS, availableParallelism() - 1));
    this.#ahead = workers * 2 + 2;
    this.#pool = new EncodePool(workers, encoding, request.workers);
    const { ttl, renameSuffix } = conflict;
    const lookOptions = { facts: { expireTime: facts.expireTime }, ttl, renameSuffix };
    const lookers = Math.min(workers, MAX_LOOKERS);
    this.#looks = new LookPool(lookers, request.target, request.tls, lookOptions);
    this.#pipeline = writing && new Pipeline(writing);
    const pipeline = this.#pipeline;
    this.#restorer = new BlockRestorer(options, {
      pool: this.#pool,
      looks: this.#looks,
      pacer,
      pipeline,
    });
    this.#longKeys = new LongKeys({
      pipeline,
      conn: control,
      facts,
      encoding,
      conflict,
      journal: conflict.dryRun ? undefined : options.journal,
      pace: (bytes) => pacer.take(bytes, 0),
    });
    this.#files = new Map(request.manifest.files.map(({ name }, index) => [name, index]));
    this.#keys = options.journal?.past.tally.totals.selected ?? 0;
  }

  /** Throws what `restoreBackup` says. */
  async run(): Promise<void> {
    try {
      await this.#walk();
    } finally {
      await Promise.all([this.#pool.close(), this.#looks.close()]);
      this.#pipeline?.close();
    }
  }

  async #walk(): Promise<void> {
    const { request, encoding, mergesDatabases } = this.#options;
    const { repository, manifest, signal } = request;
    const blocks = planBlocks(repository, manifest, encoding.selection, signal);
    let next = await blocks.next();
    let database: number | undefined;
    while (next.done !== true) {
      const planned = next.value;
      next = await blocks.next();
      if (mergesDatabases && planned.block.database !== database) await this.#flush();
      ({ database } = planned.block);
      if (planned.block.firstPart) {
        const parts = [planned];
        while (next.done !== true && isNextPart(parts[parts.length - 1], next.value)) {
          parts.push(next.value);
          next = await blocks.next();
        }
        await this.#longKey(parts);
        continue;
      }
      // The rest of a key whose first part was not wanted.
      if (planned.block.continues) continue;
      await this.#block(planned);
    }
    await this.#flush();
  }

  async #block(planned: PlannedBlock): Promise<void> {
    const place = this.#placeOf(planned);
    const { rawLength } = planned.block;
    if (this.#options.journal?.past.isDone(place) === true) {
      this.#advance(0, rawLength);
      return;
    }
    const prepared = this.#restorer.prepare(planned, place);
    // Awaited in its turn; until then its failure is nobody's surprise.
    prepared.catch(() => {});
    this.#jobs.push({ prepared, rawLength });
    if (this.#jobs.length > this.#ahead) await this.#writeNext();
  }

  async #longKey(parts: readonly PlannedBlock[]): Promise<void> {
    const { request, targetDb, journal, tally, conflict } = this.#options;
    const place = this.#placeOf(parts[0]);
    const bytes = parts.reduce((sum, part) => sum + part.block.rawLength, 0);
    if (journal?.past.isDone(place) === true) {
      this.#advance(0, bytes);
      return;
    }
    await this.#flush();
    const { database } = parts[0].block;
    const lines = new LongKeyLines(parts, request.signal);
    const part = new Tally();
    const nowMs = request.repository.clock.now();
    await this.#longKeys.restore({
      lines,
      place,
      targetDb: targetDb(database),
      nowMs,
      tally: part,
    });
    tally.add(part);
    if (!conflict.dryRun) journal?.endBlock(place, database, part);
    this.#advance(1, bytes);
  }

  /** Everything read so far is written and accounted for. */
  async #flush(): Promise<void> {
    while (this.#jobs.length > 0) await this.#writeNext();
    for (const settled of this.#unsettled.splice(0)) await settled;
  }

  async #writeNext(): Promise<void> {
    const { prepared, rawLength } = this.#jobs.shift() as Job;
    const block = await prepared;
    this.#options.request.signal?.throwIfAborted();
    const { settled } = await this.#restorer.write(block);
    this.#unsettled.push(settled);
    if (this.#unsettled.length > MAX_UNSETTLED) await this.#unsettled.shift();
    this.#advance(block.encoded.selected, rawLength);
  }

  #placeOf({ file, index }: PlannedBlock): BlockPlace {
    return { f: this.#files.get(file.record.name) ?? -1, b: index };
  }

  #advance(keys: number, bytes: number): void {
    this.#keys += keys;
    this.#bytes += bytes;
    this.#options.onProgress(this.#keys, this.#bytes);
  }
}

/** Whether a block goes on where another ends: blocks between them may have been left out. */
function isNextPart(last: PlannedBlock, next: PlannedBlock): boolean {
  if (!next.block.continues) return false;
  if (next.file === last.file) return next.index === last.index + 1;
  return next.index === 0 && last.index === last.file.blocks.length - 1;
}
