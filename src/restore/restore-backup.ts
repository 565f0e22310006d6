import { CodedError, isCoded } from '../base/index.ts';
import { type EntrySelection, selectsEverything } from '../entries/index.ts';
import { connect, displayAddress, type RedisConnection } from '../redis/index.ts';
import { Tally } from './counts.ts';
import type { ConflictOptions } from './conflicts.ts';
import type { EncoderOptions } from './encode/encoded-block.ts';
import { emptyFunctionCounts, readFunctions, restoreFunctions } from './functions.ts';
import { RestorePass } from './restore-pass.ts';
import { checkFacts } from './precheck-target.ts';
import type { RestoreProgress, RestoreReport, RestoreRequest } from './requests.ts';
import { readTargetFacts, type TargetFacts } from './target-facts.ts';

/**
 * Restores selected entries of a backup into a live server: checks the target, loads functions,
 * then writes every key under the conflict and expiry policies. Keys that could not be written are
 * in the report, not thrown. Throws TARGET_UNSUITABLE, TARGET_CONFLICT (policy `fail`, before
 * anything is written), TARGET_LOST, TARGET_REFUSED when the server as a whole refuses writes, the
 * repository's codes, INTERRUPTED. What was written until then stays: running the same restore
 * again finds it unchanged.
 */
export async function restoreBackup(request: RestoreRequest): Promise<RestoreReport> {
  const restore = new Restore(request);
  try {
    return await restore.run();
  } catch (error) {
    if (request.signal?.aborted === true && !isCoded(error, 'INTERRUPTED')) {
      throw new CodedError('INTERRUPTED', 'The restore was interrupted', { cause: error });
    }
    throw error;
  }
}

class Restore {
  readonly #request: RestoreRequest;
  readonly #startedAtMs: number;
  readonly #begunAt: number;
  readonly #task: string;
  readonly #notices: string[] = [];
  readonly #tally = new Tally();
  #progress: RestoreProgress;

  constructor(request: RestoreRequest) {
    const { repository, manifest } = request;
    this.#request = request;
    this.#startedAtMs = repository.clock.now();
    this.#begunAt = repository.clock.monotonic();
    this.#task = Buffer.from(repository.random(4)).toString('hex');
    this.#progress = {
      phase: 'checking',
      text: 'Checking the target',
      keys: 0,
      totalKeys: manifest.totals.keys,
      bytes: 0,
      totalBytes: manifest.totals.rawBytes,
    };
  }

  async run(): Promise<RestoreReport> {
    const { tls, signal, target } = this.#request;
    this.#report({});
    const options = {
      lostCode: 'TARGET_LOST' as const,
      ...(tls && { tls }),
      ...(signal && { signal }),
    };
    const control = await connect(target, options);
    try {
      const facts = await readTargetFacts(control);
      this.#check(facts);
      const writing = await connect(target, { ...options, readBufferBytes: 256 << 10 });
      try {
        return await this.#restore(control, writing, facts);
      } finally {
        writing.close();
      }
    } finally {
      control.close();
    }
  }

  /** What a precheck would refuse is refused here too. */
  #check(facts: TargetFacts): void {
    const findings = checkFacts(facts, this.#request.manifest, this.#request);
    for (const { level, message, remedy } of findings) {
      if (level === 'error') {
        throw new CodedError('TARGET_UNSUITABLE', message, remedy === null ? {} : { hint: remedy });
      }
      if (level === 'warning') this.#notice(message);
    }
  }

  async #restore(
    control: RedisConnection,
    writing: RedisConnection,
    facts: TargetFacts,
  ): Promise<RestoreReport> {
    const { dryRun = false, conflict = 'rename' } = this.#request;
    // With `fail` every key is looked at before the first is written.
    if (conflict === 'fail' && !dryRun) {
      const looked = new RestorePass(
        this.#passOptions(control, undefined, facts, new Tally(), true),
      );
      await looked.run();
    }
    const functions = await this.#functions(control, facts, dryRun);
    this.#report({ phase: 'restoring', text: dryRun ? 'Comparing' : 'Restoring' });
    const pipelined = dryRun ? undefined : writing;
    await new RestorePass(this.#passOptions(control, pipelined, facts, this.#tally, dryRun)).run();
    this.#report({ phase: 'finishing', text: 'Done' });
    const totals = this.#tally.totals;
    return {
      task: this.#task,
      backup: this.#request.manifest.id,
      target: displayAddress({ ...this.#request.target, user: null, database: null }),
      dryRun,
      startedAt: new Date(this.#startedAtMs).toISOString(),
      durationMs: this.#request.repository.clock.monotonic() - this.#begunAt,
      totals,
      databases: this.#tally.databases,
      functions,
      problems: this.#tally.problems,
      problemCount: this.#tally.problemCount,
      notices: this.#notices,
    };
  }

  async #functions(control: RedisConnection, facts: TargetFacts, dryRun: boolean) {
    const { repository, manifest, functionConflict = 'skip', signal } = this.#request;
    const wanted =
      this.#request.functions ?? (selectsEverything(this.#selection) ? 'restore' : 'skip');
    if (wanted === 'skip') return emptyFunctionCounts();
    this.#report({ phase: 'functions', text: 'Restoring functions' });
    const found = await readFunctions(repository, manifest, signal);
    return await restoreFunctions(control, found, {
      conflict: functionConflict,
      supported: facts.functions,
      dryRun,
      onNotice: (text) => this.#notice(text),
    });
  }

  get #selection(): EntrySelection {
    return this.#request.selection ?? {};
  }

  #passOptions(
    control: RedisConnection,
    writing: RedisConnection | undefined,
    facts: TargetFacts,
    tally: Tally,
    dryRun: boolean,
  ) {
    const request = this.#request;
    const conflict: ConflictOptions = {
      policy: request.conflict ?? 'rename',
      ttl: request.ttl ?? 'absolute',
      renameSuffix: `_dbs_${this.#task}_${this.#startedAtMs}`,
      dryRun,
    };
    const encoding: EncoderOptions = {
      format: facts.format,
      setPxat: facts.setPxat,
      restoreOptions: facts.restoreOptions,
      modules: facts.modules,
      selection: this.#selection,
      allowInexact: request.allowInexact ?? false,
      ttl: {
        policy: conflict.ttl,
        startedAtMs: this.#startedAtMs,
        snapshotAtMs: Date.parse(request.manifest.snapshotAt),
      },
    };
    return {
      request,
      control,
      writing,
      facts,
      tally,
      conflict,
      encoding,
      targetDb: (db: number) => request.mapDb?.get(db) ?? db,
      onProgress: (keys: number, bytes: number) => this.#report({ keys, bytes }),
    };
  }

  #report(change: Partial<RestoreProgress>): void {
    this.#progress = { ...this.#progress, ...change };
    this.#request.onProgress?.(this.#progress);
  }

  #notice(text: string): void {
    this.#notices.push(text);
    this.#request.onNotice?.(text);
  }
}
