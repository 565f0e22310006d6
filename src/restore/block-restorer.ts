import { CodedError, isCoded } from '../base/index.ts';
import { formatText } from '../entries/index.ts';
import type { PlannedBlock } from '../repository/index.ts';
import { assembleCommands, commandAt } from './block-commands.ts';
import type { WantedKey } from './command-parts.ts';
import { ConflictResolver } from './conflicts.ts';
import { type Counts, Tally } from './counts.ts';
import type { EncodePool } from './encode/encode-pool.ts';
import type { EncodedBlock } from './encode/encoded-block.ts';
import type { BlockPlace } from './journal/task-past.ts';
import { ABSENT, type BlockSight } from './look/block-sight.ts';
import { CommandTable } from './look/command-table.ts';
import type { LookPool } from './look/look-pool.ts';
import type { Pacer } from './pace/pacer.ts';
import type { PassOptions } from './pass-options.ts';
import type { OddReply, Pipeline } from './pipeline.ts';
import { ACTION, type Action, planAgain, planBlock } from './plan-block.ts';
import { NO_EXPIRY } from './policies.ts';
import { conflictOf, isFatal, refused } from './refusals.ts';

/** A block that is encoded, compared with the target and noted as begun. */
export type PreparedBlock = {
  readonly place: BlockPlace;
  readonly db: number;
  readonly encoded: EncodedBlock;
  /** By command: what is done about its key. */
  readonly actions: Uint8Array;
};

export type BlockTools = {
  readonly pool: EncodePool;
  readonly looks: LookPool;
  readonly pacer: Pacer;
  /** Undefined: nothing is written. */
  readonly pipeline: Pipeline | undefined;
};

/**
 * Restores the keys of one block: encode, look at the target, decide, note, write, account for the
 * replies. `prepare` may run ahead for several blocks; `write` goes in order.
 */
export class BlockRestorer {
  readonly #options: PassOptions;
  readonly #tools: BlockTools;
  readonly #resolver: ConflictResolver;
  #resolving: Promise<void> = Promise.resolve();

  constructor(options: PassOptions, tools: BlockTools) {
    this.#options = options;
    this.#tools = tools;
    this.#resolver = new ConflictResolver(options.control, options.facts, options.conflict);
  }

  async prepare(planned: PlannedBlock, place: BlockPlace): Promise<PreparedBlock> {
    const { journal, facts, request, conflict, targetDb, emptyDatabases } = this.#options;
    const db = planned.block.database;
    const notes = journal?.past.notesOf(place);
    // Encoded as of the same instant the commands are the same, and the notes fit them.
    const isSame = notes !== undefined && facts.restoreOptions;
    const nowMs = isSame ? notes.nowMs : request.repository.clock.now();
    const encoded = await this.#encode(planned, nowMs);
    const { commands, ends, count } = encoded;
    const isNew = notes === undefined && emptyDatabases.has(targetDb(db));
    const sight = isNew
      ? undefined
      : await this.#tools.looks.look({
          commands,
          ends,
          count,
          targetDb: targetDb(db),
          prints: conflict.policy === 'overwrite' && !conflict.dryRun,
          copies: notes !== undefined && conflict.policy === 'rename',
        });
    let actions: Uint8Array;
    if (notes === undefined) {
      actions = planBlock(count, sight, conflict.policy);
      this.#refuseConflict(db, encoded, actions);
      await this.#begin(place, nowMs, sight, actions);
    } else {
      const fitting = notes.count === count ? notes : undefined;
      actions = planAgain(count, sight as BlockSight, fitting, conflict.policy);
      this.#leaveOutExpired(encoded, actions);
    }
    return { place, db, encoded, actions };
  }

  /** Sends a block's commands; the inner promise resolves when the replies are accounted for. */
  async write(block: PreparedBlock): Promise<{ readonly settled: Promise<void> }> {
    const { db, encoded, actions } = block;
    const { conflict, targetDb } = this.#options;
    const { pipeline, pacer } = this.#tools;
    const tally = new Tally();
    this.#countEncoded(block, tally);
    if (pipeline === undefined) {
      this.#countAll(block, tally);
      this.#end(block, tally);
      return { settled: Promise.resolve() };
    }
    const sent = assembleCommands(encoded, actions, conflict.renameSuffix);
    await pipeline.select(targetDb(db));
    await pipeline.ready();
    await pacer.take(sent.bytes.length, sent.count);
    const settled = pipeline
      .send(sent.bytes, sent.count)
      .then((odd) => this.#settle(block, tally, originsOf(odd, sent.origins)));
    settled.catch(() => {});
    return { settled };
  }

  async #encode({ file, index, block }: PlannedBlock, nowMs: number): Promise<EncodedBlock> {
    const [stored] = await file.readStored(index, 1, this.#options.request.signal);
    const { rawLength, digest } = block;
    try {
      return await this.#tools.pool.encode({ stored, rawLength, digest, nowMs });
    } catch (error) {
      if (!isCoded(error, 'OBJECT_CORRUPT', 'JSONL_INVALID')) throw error;
      const object = file.record.name;
      const message = `Cannot restore from ${object}: block ${index}: ${error.message}`;
      throw new CodedError(error.code, message, { object, cause: error });
    }
  }

  #refuseConflict(db: number, encoded: EncodedBlock, actions: Uint8Array): void {
    const index = actions.indexOf(ACTION.conflict);
    if (index >= 0) throw conflictOf(db, commandAt(encoded, index).key);
  }

  /** Notes the block as begun, unless nothing of it is going to be written. */
  async #begin(
    place: BlockPlace,
    nowMs: number,
    sight: BlockSight | undefined,
    actions: Uint8Array,
  ): Promise<void> {
    const { journal } = this.#options;
    if (journal === undefined || actions.every((action) => action > ACTION.overwrite)) return;
    const count = actions.length;
    const states = sight?.states ?? new Uint8Array(count).fill(ABSENT);
    const prints = sight?.prints ?? new Uint8Array(0);
    await journal.beginBlock(place, { nowMs, count, states, prints });
  }

  /** Encoded as of the first run, a block may want to write what has expired since. */
  #leaveOutExpired(encoded: EncodedBlock, actions: Uint8Array): void {
    const nowMs = this.#options.request.repository.clock.now();
    const table = new CommandTable();
    table.read(encoded, nowMs);
    for (const [i, action] of actions.entries()) {
      const expireAtMs = table.expireAtMs[i];
      if (action > ACTION.overwrite || expireAtMs === NO_EXPIRY || expireAtMs > nowMs) continue;
      actions[i] = ACTION.expired;
    }
  }

  #countEncoded({ db, encoded }: PreparedBlock, tally: Tally): void {
    const counts = tally.of(db);
    counts.selected += encoded.selected;
    counts.expired += encoded.expired;
    for (const { key, code, reason } of encoded.problems) {
      counts[code]++;
      const shown = code === 'failed' ? 'VALUE_UNREPRESENTABLE' : code;
      tally.problem({ db, key, code: shown, message: reason });
    }
  }

  /** As if every command that is needed had been sent and had done its work. */
  #countAll({ db, encoded, actions }: PreparedBlock, tally: Tally): void {
    const counts = tally.of(db);
    for (let i = 0; i < actions.length; i++) {
      const action = actions[i];
      counts[OUTCOME[action as Action]]++;
      if (action !== ACTION.changed && action !== ACTION.copyChanged) continue;
      const copy = action === ACTION.copyChanged ? this.#options.conflict.renameSuffix : '';
      const { key } = commandAt(encoded, i);
      const name = formatText(Buffer.concat([key, Buffer.from(copy)]));
      tally.problem({ db, key: name, code: 'TARGET_CHANGED', message: CHANGED });
    }
  }

  /** Accounts for the replies to one block's commands; `odd` ones by the block's own indices. */
  async #settle(block: PreparedBlock, tally: Tally, odd: readonly OddReply[]): Promise<void> {
    const { db, encoded, actions } = block;
    const { targetDb } = this.#options;
    this.#countAll(block, tally);
    const counts = tally.of(db);
    const conflicts: WantedKey[] = [];
    for (const reply of odd) {
      const action = actions[reply.index] as Action;
      const exists = reply.kind === 'null' || reply.text.startsWith('BUSYKEY');
      if (!exists && reply.kind !== 'error') continue;
      if (!exists && isFatal(reply.text)) throw refused('a write', reply.text);
      counts[OUTCOME[action]]--;
      const wanted = commandAt(encoded, reply.index);
      if (exists && action === ACTION.write) {
        conflicts.push(wanted);
        continue;
      }
      counts.failed++;
      const message = exists ? 'its renamed copy appeared meanwhile' : reply.text;
      tally.problem({ db, key: formatText(wanted.key), code: 'TARGET_REFUSED', message });
    }
    await this.#resolve(db, targetDb(db), conflicts, tally);
    this.#end(block, tally);
  }

  /** One after the other: they share a connection, and its selected database. */
  async #resolve(
    db: number,
    targetDb: number,
    conflicts: readonly WantedKey[],
    tally: Tally,
  ): Promise<void> {
    if (conflicts.length === 0) return;
    this.#resolving = this.#resolving.then(() =>
      this.#resolver.resolve(db, targetDb, conflicts, tally),
    );
    this.#resolving.catch(() => {});
    await this.#resolving;
  }

  #end({ place, db, encoded }: PreparedBlock, tally: Tally): void {
    const { journal, conflict } = this.#options;
    this.#tools.pool.release(encoded);
    this.#options.tally.add(tally);
    if (!conflict.dryRun) journal?.endBlock(place, db, tally);
  }
}

const CHANGED = 'the key was changed while the restore was interrupted; it was left alone';

const OUTCOME: Readonly<Record<Action, keyof Counts>> = {
  [ACTION.write]: 'restored',
  [ACTION.rename]: 'renamed',
  [ACTION.overwrite]: 'overwritten',
  [ACTION.skip]: 'skipped',
  [ACTION.conflict]: 'failed',
  [ACTION.unchanged]: 'unchanged',
  [ACTION.restored]: 'restored',
  [ACTION.renamed]: 'renamed',
  [ACTION.overwritten]: 'overwritten',
  [ACTION.changed]: 'changed',
  [ACTION.copyChanged]: 'changed',
  [ACTION.expired]: 'expired',
};

function originsOf(odd: readonly OddReply[], origins: Uint32Array | undefined): OddReply[] {
  return odd.map((reply) => ({ ...reply, index: origins?.[reply.index] ?? reply.index }));
}
