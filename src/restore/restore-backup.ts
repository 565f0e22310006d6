import { CodedError, isCoded, RunControl } from '../base/index.ts';
import { selectsEverything } from '../entries/index.ts';
import { connect, displayAddress, type RedisConnection } from '../redis/index.ts';
import { readManifest, readSource, type Repository } from '../repository/index.ts';
import { Tally } from './counts.ts';
import type { ConflictOptions } from './conflicts.ts';
import type { EncoderOptions } from './encode/encoded-block.ts';
import { emptyFunctionCounts, readFunctions, restoreFunctions } from './functions.ts';
import { TaskJournal } from './journal/task-journal.ts';
import type { TaskOptions, TaskRecord } from './journal/task-record.ts';
import { pruneTasks } from './journal/list-tasks.ts';
import { Pacer } from './pace/pacer.ts';
import { TargetWatch } from './pace/target-watch.ts';
import type { PassOptions } from './pass-options.ts';
import { checkFacts } from './precheck-target.ts';
import type { RestoreProgress, RestoreReport, RestoreRequest, ResumeRequest } from './requests.ts';
import { RestorePass } from './restore-pass.ts';
import { readTargetFacts, type TargetFacts } from './target-facts.ts';

/**
 * Restores selected entries of a backup into a live server: checks the target, loads functions,
 * then writes every key under the conflict and expiry policies. Keys that could not be written are
 * in the report, not thrown. Throws TARGET_UNSUITABLE, TARGET_CONFLICT (policy `fail`, before
 * anything is written), TARGET_LOST, TARGET_FULL, TARGET_REFUSED when the server as a whole refuses
 * writes, the repository's and the journal's codes, INTERRUPTED. What was written until then stays:
 * running the same restore again finds it unchanged, resuming it goes on where it ended.
 */
export async function restoreBackup(request: RestoreRequest): Promise<RestoreReport> {
  return await new Restore(request).run();
}

/**
 * Takes a task up again that ended by an error, a signal or a crash. Besides what `restoreBackup`
 * throws: TASK_NOT_FOUND, TASK_HELD, TARGET_CHANGED when the target is another server or has been
 * restarted, USAGE when the task has finished or the repository is another.
 */
export async function resumeRestore(request: ResumeRequest): Promise<RestoreReport> {
  const { state, task, repository, signal, ...rest } = request;
  const journal = await TaskJournal.open(state, task, repository.clock.now());
  const { record } = journal;
  let full: RestoreRequest;
  try {
    if (record.repository !== repository.id) {
      throw new CodedError('USAGE', `Cannot resume task ${task}: it reads another repository`, {
        hint: 'Name with --repo the repository that the restore began with',
      });
    }
    const source = await readSource(repository, record.source, signal);
    if (source === undefined) {
      throw new CodedError('SOURCE_NOT_FOUND', `Cannot find the source ${record.source} any more`);
    }
    const manifest = await readManifest(repository, record.source, record.backup, signal);
    const { mapDb, ...options } = record.options;
    full = { ...rest, ...options, repository, source, manifest, mapDb, ...(signal && { signal }) };
  } catch (error) {
    await journal.interrupt(error, repository.clock.now());
    throw error;
  }
  return await new Restore(full, journal).run();
}

class Restore {
  readonly #request: RestoreRequest;
  readonly #startedAtMs: number;
  readonly #begunAt: number;
  readonly #task: string;
  readonly #notices: string[] = [];
  readonly #tally: Tally;
  readonly #pacer: Pacer;
  readonly #isResumed: boolean;
  /** Ends the waits of the writer. */
  readonly #stop = new AbortController();
  #journal: TaskJournal | undefined;
  #progress: RestoreProgress;

  constructor(request: RestoreRequest, journal?: TaskJournal) {
    const { repository, manifest, signal } = request;
    const { clock } = repository;
    this.#request = request;
    this.#journal = journal;
    this.#isResumed = journal !== undefined;
    this.#startedAtMs = journal?.record.startedAtMs ?? clock.now();
    this.#begunAt = clock.monotonic() - (journal?.past.workedMs ?? 0);
    this.#task = journal?.record.task ?? request.task ?? newTaskId(repository);
    this.#tally = journal?.past.tally ?? new Tally();
    this.#pacer = new Pacer({
      control: request.control ?? ratesOf(request),
      signal: signal ? AbortSignal.any([signal, this.#stop.signal]) : this.#stop.signal,
      onPause: (paused) => this.#report({ paused }),
    });
    this.#progress = {
      phase: 'checking',
      text: 'Checking the target',
      keys: this.#tally.totals.selected,
      totalKeys: manifest.totals.keys,
      bytes: 0,
      totalBytes: manifest.totals.rawBytes,
      paused: false,
    };
  }

  async run(): Promise<RestoreReport> {
    const { signal, repository, onResumable } = this.#request;
    try {
      const report = await this.#connectAndRestore();
      await this.#journal?.finish(repository.clock.now());
      return report;
    } catch (error) {
      const isStop = signal?.aborted === true && !isCoded(error, 'INTERRUPTED');
      const told = isStop
        ? new CodedError('INTERRUPTED', 'The restore was interrupted', { cause: error })
        : error;
      if ((await this.#journal?.interrupt(told, repository.clock.now())) === true) {
        onResumable?.(this.#task);
      }
      throw told;
    }
  }

  async #connectAndRestore(): Promise<RestoreReport> {
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

  /** What a precheck would refuse is refused here too, and another target than before. */
  #check(facts: TargetFacts): void {
    const findings = checkFacts(facts, this.#request.manifest, this.#request);
    for (const { level, message, remedy } of findings) {
      if (level === 'error') {
        throw new CodedError('TARGET_UNSUITABLE', message, remedy === null ? {} : { hint: remedy });
      }
      if (level === 'warning') this.#notice(message);
    }
    if (this.#journal !== undefined) this.#checkSame(this.#journal.record, facts);
  }

  #checkSame({ target }: TaskRecord, { identity }: TargetFacts): void {
    const { runId } = identity;
    const name = nameOf(this.#request);
    if (target.runId !== null && runId !== null) {
      if (runId === target.runId) return;
      const what = name === target.name ? 'was restarted or replaced' : 'is another server';
      throw new CodedError(
        'TARGET_CHANGED',
        `Cannot resume task ${this.#task}: ${name} ${what} since it began at ${target.name}`,
      );
    }
    if (name === target.name) return;
    const message = `Cannot resume task ${this.#task} at ${name}: it began at ${target.name}`;
    throw new CodedError('TARGET_CHANGED', message);
  }

  async #restore(
    control: RedisConnection,
    writing: RedisConnection,
    facts: TargetFacts,
  ): Promise<RestoreReport> {
    const { dryRun = false } = this.#request;
    const options = this.#taskOptions();
    const empty = this.#isResumed
      ? new Set(this.#journal?.record.emptyDatabases)
      : emptyDatabases(facts, this.#targets(options));
    const pass = this.#passOptions(control, undefined, facts, options, empty);
    // With `fail` every key is looked at before the first is written.
    if (options.conflict === 'fail' && !dryRun && !this.#isResumed) {
      await new RestorePass({ ...pass, ...looking(pass) }).run();
    }
    if (!dryRun && !this.#isResumed) await this.#beginJournal(facts, options, empty);
    const functions = await this.#functions(control, facts, options, dryRun);
    this.#report({ phase: 'restoring', text: dryRun ? 'Comparing' : 'Restoring' });
    if (dryRun) await new RestorePass({ ...pass, ...looking(pass), tally: this.#tally }).run();
    else await this.#writeAll({ ...pass, writing, journal: this.#journal });
    this.#report({ phase: 'finishing', text: 'Done' });
    return {
      task: this.#task,
      backup: this.#request.manifest.id,
      target: nameOf(this.#request),
      dryRun,
      resumed: this.#isResumed,
      startedAt: new Date(this.#startedAtMs).toISOString(),
      durationMs: this.#request.repository.clock.monotonic() - this.#begunAt,
      totals: this.#tally.totals,
      databases: this.#tally.databases,
      functions,
      problems: this.#tally.problems,
      problemCount: this.#tally.problemCount,
      notices: this.#notices,
    };
  }

  /** Writes, and watches how the target bears it. */
  async #writeAll(pass: PassOptions): Promise<void> {
    const { target, tls } = this.#request;
    const watch = new TargetWatch(target, tls, this.#pacer, (text) => this.#notice(text));
    await watch.begin();
    try {
      const running = new RestorePass(pass).run();
      // Whatever the pass waits for, it ends before its journal is closed.
      const stopped = watch.failed.catch(async (error: Error) => {
        this.#stop.abort(error);
        pass.writing?.close();
        await running.catch(() => {});
        throw error;
      });
      await Promise.race([running, stopped]);
    } finally {
      watch.end();
    }
  }

  async #beginJournal(
    facts: TargetFacts,
    options: TaskOptions,
    empty: ReadonlySet<number>,
  ): Promise<void> {
    const { state, repository, source, manifest, target, origin = {} } = this.#request;
    if (state === undefined) return;
    const { password: _, ...address } = target;
    const record: TaskRecord = {
      task: this.#task,
      startedAtMs: this.#startedAtMs,
      repository: repository.id,
      source: source.id,
      backup: manifest.id,
      totalKeys: manifest.totals.keys,
      target: { ...address, name: nameOf(this.#request), runId: facts.identity.runId },
      emptyDatabases: [...empty],
      options,
      origin,
    };
    const nowMs = repository.clock.now();
    this.#journal = await TaskJournal.create(state, record, nowMs);
    await pruneTasks(state, nowMs);
  }

  async #functions(
    control: RedisConnection,
    facts: TargetFacts,
    { functions, functionConflict }: TaskOptions,
    dryRun: boolean,
  ) {
    const { repository, manifest, signal } = this.#request;
    const before = this.#journal?.past.functions;
    if (before !== undefined) {
      for (const text of before.notices) this.#notice(text);
      return before.counts;
    }
    if (functions === 'skip') return emptyFunctionCounts();
    this.#report({ phase: 'functions', text: 'Restoring functions' });
    const found = await readFunctions(repository, manifest, signal);
    const notices: string[] = [];
    const counts = await restoreFunctions(control, found, {
      conflict: functionConflict,
      supported: facts.functions,
      dryRun,
      onNotice: (text) => {
        notices.push(text);
        this.#notice(text);
      },
    });
    if (counts.libraries + counts.scripts > 0) await this.#journal?.endFunctions(counts, notices);
    return counts;
  }

  #taskOptions(): TaskOptions {
    const {
      selection = {},
      mapDb,
      conflict,
      ttl,
      functions,
      functionConflict,
      allowInexact,
    } = this.#request;
    return {
      selection,
      mapDb: mapDb ?? new Map(),
      conflict: conflict ?? 'rename',
      ttl: ttl ?? 'absolute',
      functions: functions ?? (selectsEverything(selection) ? 'restore' : 'skip'),
      functionConflict: functionConflict ?? 'skip',
      allowInexact: allowInexact ?? false,
    };
  }

  /** The target's databases that are written to, one for each of the backup's. */
  #targets({ selection, mapDb }: TaskOptions): number[] {
    return this.#request.manifest.databases
      .filter(({ db }) => selection.databases?.includes(db) ?? true)
      .map(({ db }) => mapDb.get(db) ?? db);
  }

  #passOptions(
    control: RedisConnection,
    writing: RedisConnection | undefined,
    facts: TargetFacts,
    options: TaskOptions,
    empty: ReadonlySet<number>,
  ): PassOptions {
    const { conflict: policy, ttl, selection, allowInexact, mapDb } = options;
    const renameSuffix = `_dbs_${this.#task}_${this.#startedAtMs}`;
    const conflict: ConflictOptions = { policy, ttl, renameSuffix, dryRun: false };
    const encoding: EncoderOptions = {
      format: facts.format,
      setPxat: facts.setPxat,
      restoreOptions: facts.restoreOptions,
      modules: facts.modules,
      selection,
      allowInexact,
      ttl: {
        policy: ttl,
        startedAtMs: this.#startedAtMs,
        snapshotAtMs: Date.parse(this.#request.manifest.snapshotAt),
      },
    };
    const targets = this.#targets(options);
    return {
      request: this.#request,
      control,
      writing,
      facts,
      tally: this.#tally,
      conflict,
      encoding,
      pacer: this.#pacer,
      journal: undefined,
      targetDb: (db: number) => mapDb.get(db) ?? db,
      emptyDatabases: empty,
      mergesDatabases: new Set(targets).size < targets.length,
      onProgress: (keys, bytes) => this.#report({ keys, bytes }),
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

export function newTaskId({ random }: Repository): string {
  return Buffer.from(random(4)).toString('hex');
}

/** What makes a pass write nothing and count for nobody. */
function looking({ conflict }: PassOptions): Partial<PassOptions> {
  return { tally: new Tally(), conflict: { ...conflict, dryRun: true } };
}

function ratesOf({ rateBytesPerSecond, rateKeysPerSecond }: RestoreRequest): RunControl {
  return new RunControl({
    bytesPerSecond: rateBytesPerSecond ?? null,
    keysPerSecond: rateKeysPerSecond ?? null,
  });
}

function nameOf({ target }: RestoreRequest): string {
  return displayAddress({ ...target, user: null, database: null });
}

/** Those where no key can be in the way; one that two databases go into is none of them. */
function emptyDatabases({ identity }: TargetFacts, targets: readonly number[]): Set<number> {
  const { keys } = identity;
  if (keys === null) return new Set();
  const isEmpty = (db: number): boolean =>
    (keys[db] ?? 0) === 0 && targets.filter((other) => other === db).length === 1;
  return new Set(targets.filter(isEmpty));
}
