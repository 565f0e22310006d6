import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { CodedError, isCoded } from '../base/index.ts';
import { formatText } from '../entries/index.ts';
import type { RedisConnection } from '../redis/index.ts';
import { type PlannedBlock, planBlocks } from '../repository/index.ts';
import { parseCommand, type WantedKey } from './command-parts.ts';
import { type ConflictOptions, ConflictResolver, isFatal, refused } from './conflicts.ts';
import type { Tally } from './counts.ts';
import { EncodePool } from './encode/encode-pool.ts';
import type { EncodedBlock, EncoderOptions } from './encode/encoded-block.ts';
import { LongKeyLines } from './long-keys/long-key-lines.ts';
import { LongKeys } from './long-keys/long-keys.ts';
import { type OddReply, Pipeline } from './pipeline.ts';
import { Pacer } from './pacer.ts';
import type { RestoreRequest } from './requests.ts';
import type { TargetFacts } from './target-facts.ts';

const MAX_WORKERS = 8;

/** Batches that have been sent and not been accounted for. */
const MAX_UNSETTLED = 4;

/** How many keys are asked for by one round trip when nothing is written. */
const EXISTS_CHUNK = 1000;

export type PassOptions = {
  readonly request: RestoreRequest;
  readonly control: RedisConnection;
  /** Undefined: only look, write nothing. */
  readonly writing: RedisConnection | undefined;
  readonly facts: TargetFacts;
  readonly tally: Tally;
  readonly conflict: ConflictOptions;
  readonly encoding: EncoderOptions;
  readonly targetDb: (db: number) => number;
  readonly onProgress: (keys: number, bytes: number) => void;
};

type Job = { readonly planned: PlannedBlock; readonly encoded: Promise<EncodedBlock> };

/**
 * One walk over the selected blocks of a backup: workers open and encode them ahead, one thread
 * sends the commands in order and accounts for the replies. Keys in conflict go to the resolver,
 * keys of several parts to LongKeys.
 */
export class RestorePass {
  readonly #options: PassOptions;
  readonly #pool: EncodePool;
  readonly #workers: number;
  readonly #pipeline: Pipeline | undefined;
  readonly #resolver: ConflictResolver;
  readonly #longKeys: LongKeys;
  readonly #pacer: Pacer;
  readonly #jobs: Job[] = [];
  readonly #unsettled: Promise<void>[] = [];
  #resolving: Promise<void> = Promise.resolve();
  #keys = 0;
  #bytes = 0;

  constructor(options: PassOptions) {
    this.#options = options;
    const { request, control, writing, facts, tally, conflict, encoding } = options;
    this.#workers =
      request.workers ?? Math.max(1, Math.min(MAX_WORKERS, availableParallelism() - 1));
    this.#pool = new EncodePool(this.#workers, encoding);
    this.#pipeline = writing && new Pipeline(writing);
    this.#resolver = new ConflictResolver(control, facts, conflict, tally);
    this.#pacer = new Pacer(request.rateBytesPerSecond, request.rateKeysPerSecond);
    this.#longKeys = new LongKeys({
      pipeline: this.#pipeline,
      conn: control,
      facts,
      encoding,
      conflict,
      tally,
      pace: (bytes) => this.#pace(bytes, 0),
    });
  }

  /** Throws what `restoreBackup` says. */
  async run(): Promise<void> {
    try {
      await this.#walk();
    } finally {
      await this.#pool.close();
      this.#pipeline?.close();
    }
  }

  async #walk(): Promise<void> {
    const { repository, manifest, signal } = this.#options.request;
    const { selection } = this.#options.encoding;
    const blocks = planBlocks(repository, manifest, selection, signal);
    let next = await blocks.next();
    while (next.done !== true) {
      const planned = next.value;
      next = await blocks.next();
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
      const encoded = this.#encode(planned);
      // Awaited in its turn; until then its failure is nobody's surprise.
      encoded.catch(() => {});
      this.#jobs.push({ planned, encoded });
      if (this.#jobs.length > this.#workers * 2 + 1) await this.#sendNext();
    }
    await this.#flush();
  }

  async #encode({ file, index, block }: PlannedBlock): Promise<EncodedBlock> {
    const { request } = this.#options;
    const [stored] = await file.readStored(index, 1, request.signal);
    const { rawLength, digest } = block;
    const nowMs = request.repository.clock.now();
    try {
      return await this.#pool.encode({ stored, rawLength, digest, nowMs });
    } catch (error) {
      if (!isCoded(error, 'OBJECT_CORRUPT', 'JSONL_INVALID')) throw error;
      const object = file.record.name;
      const message = `Cannot restore from ${object}: block ${index}: ${error.message}`;
      throw new CodedError(error.code, message, { object, cause: error });
    }
  }

  async #longKey(parts: readonly PlannedBlock[]): Promise<void> {
    const { request, targetDb } = this.#options;
    await this.#flush();
    const { block } = parts[0];
    const nowMs = request.repository.clock.now();
    const lines = new LongKeyLines(parts, request.signal);
    await this.#longKeys.restore(lines, targetDb(block.database), nowMs);
    this.#advance(
      1,
      parts.reduce((sum, part) => sum + part.block.rawLength, 0),
    );
  }

  /** Everything read so far is written and accounted for. */
  async #flush(): Promise<void> {
    while (this.#jobs.length > 0) await this.#sendNext();
    for (const settled of this.#unsettled.splice(0)) await settled;
    await this.#resolving;
  }

  async #sendNext(): Promise<void> {
    const job = this.#jobs.shift() as Job;
    const encoded = await job.encoded;
    const { request, tally, targetDb } = this.#options;
    request.signal?.throwIfAborted();
    const db = job.planned.block.database;
    const counts = tally.of(db);
    counts.selected += encoded.selected;
    counts.expired += encoded.expired;
    for (const { key, code, reason } of encoded.problems) {
      counts[code]++;
      const shown = code === 'failed' ? 'VALUE_UNREPRESENTABLE' : code;
      tally.problem({ db, key, code: shown, message: reason });
    }
    if (this.#pipeline === undefined) await this.#look(db, encoded);
    else {
      await this.#pipeline.select(targetDb(db));
      await this.#pipeline.ready();
      await this.#pace(encoded.commands.length, encoded.count);
      const sent = this.#pipeline.send(encoded.commands, encoded.count);
      const settled = sent.then((odd) => this.#settle(db, encoded, odd));
      settled.catch(() => {});
      this.#unsettled.push(settled);
      if (this.#unsettled.length > MAX_UNSETTLED) await this.#unsettled.shift();
    }
    this.#advance(encoded.selected, job.planned.block.rawLength);
  }

  async #pace(bytes: number, keys: number): Promise<void> {
    const waitMs = this.#pacer.take(bytes, keys);
    const { signal } = this.#options.request;
    if (waitMs > 0) await delay(waitMs, undefined, signal ? { signal } : {});
  }

  #advance(keys: number, bytes: number): void {
    this.#keys += keys;
    this.#bytes += bytes;
    this.#options.onProgress(this.#keys, this.#bytes);
  }

  /** Accounts for the replies to one block's commands. */
  async #settle(db: number, encoded: EncodedBlock, odd: readonly OddReply[]): Promise<void> {
    const { tally, targetDb } = this.#options;
    const counts = tally.of(db);
    const conflicts: WantedKey[] = [];
    for (const reply of odd) {
      if (reply.kind === 'null' || reply.text.startsWith('BUSYKEY')) {
        conflicts.push(commandOf(encoded, reply.index));
        continue;
      }
      if (isFatal(reply.text)) throw refused('a write', reply.text);
      counts.failed++;
      const { key } = commandOf(encoded, reply.index);
      const name = formatText(key);
      tally.problem({ db, key: name, code: 'TARGET_REFUSED', message: reply.text });
    }
    counts.restored += encoded.count - odd.length;
    if (conflicts.length === 0) return;
    // One after the other: they share a connection, and its selected database.
    this.#resolving = this.#resolving.then(() =>
      this.#resolver.resolve(db, targetDb(db), conflicts),
    );
    this.#resolving.catch(() => {});
    await this.#resolving;
  }

  /** Writes nothing: which of the keys exist, and what would become of them. */
  async #look(db: number, encoded: EncodedBlock): Promise<void> {
    const { control, tally, targetDb } = this.#options;
    const target = targetDb(db);
    for (let first = 0; first < encoded.count; first += EXISTS_CHUNK) {
      const last = Math.min(encoded.count, first + EXISTS_CHUNK);
      const wanted: WantedKey[] = [];
      for (let i = first; i < last; i++) wanted.push(commandOf(encoded, i));
      await control.command(['SELECT', target]);
      const replies = await control.pipeline(wanted.map(({ key }) => ['EXISTS', key]));
      const present = wanted.filter((_, i) => replies[i] === 1);
      tally.of(db).restored += wanted.length - present.length;
      await this.#resolver.resolve(db, target, present);
    }
  }
}

/** Whether a block goes on where another ends: blocks between them may have been left out. */
function isNextPart(last: PlannedBlock, next: PlannedBlock): boolean {
  if (!next.block.continues) return false;
  if (next.file === last.file) return next.index === last.index + 1;
  return next.index === 0 && last.index === last.file.blocks.length - 1;
}

function commandOf(encoded: EncodedBlock, index: number): WantedKey {
  const start = index === 0 ? 0 : encoded.ends[index - 1];
  return parseCommand(encoded.commands, start, encoded.ends[index]);
}
