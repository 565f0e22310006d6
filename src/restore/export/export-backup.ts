import { assert, CodedError, isCoded } from '../../base/index.ts';
import { type EntrySelection, selectsEverything } from '../../entries/index.ts';
import { readFunctions } from '../functions.ts';
import type { ExportTtlPolicy } from '../policies.ts';
import { CommandFileWriter } from './command-file-writer.ts';
import type { ExportOptions } from './exported-block.ts';
import { exportLines } from './export-lines.ts';
import { ExportPass } from './export-pass.ts';
import type { ExportFunctions, ExportReport, ExportRequest } from './export-requests.ts';
import { ExportTally } from './export-tally.ts';
import { type ExportTarget, sourceTarget, targetForSource } from './export-target.ts';
import type { ExportPreamble, ExportWriter } from './export-writer.ts';
import type { ExportOutput } from './output/export-output.ts';
import { type DatabaseSizes, RdbWriter } from './rdb-writer.ts';

/** How many databases a server has unless it is told otherwise. */
const USUAL_DATABASES = 16;

/**
 * Writes selected entries of a backup as an RDB, as JSON Lines, or as commands (docs/export.md).
 * What the target cannot hold is left out and in the report by key, not thrown. The output is
 * committed when all is written and aborted otherwise. Throws USAGE for what cannot be asked
 * together, the repository's and the output's codes, INTERRUPTED.
 */
export async function exportBackup(request: ExportRequest): Promise<ExportReport> {
  const { output, signal } = request;
  try {
    const report = await new Export(request).run();
    await output.commit();
    return report;
  } catch (error) {
    await output.abort();
    if (signal?.aborted === true && !isCoded(error, 'INTERRUPTED')) {
      throw new CodedError('INTERRUPTED', 'The export was interrupted', { cause: error });
    }
    throw error;
  }
}

type Database = { readonly from: number; readonly to: number };

class Export {
  readonly #request: ExportRequest;
  readonly #startedAtMs: number;
  readonly #begunAt: number;
  readonly #tally = new ExportTally();
  readonly #notices: string[] = [];
  readonly #functions: ExportFunctions = { libraries: 0, scripts: 0, failed: 0 };
  readonly #output: CountingOutput;

  constructor(request: ExportRequest) {
    this.#request = request;
    this.#startedAtMs = request.repository.clock.now();
    this.#begunAt = request.repository.clock.monotonic();
    this.#output = new CountingOutput(request.output);
  }

  async run(): Promise<ExportReport> {
    const { format, manifest, repository } = this.#request;
    let target: ExportTarget | undefined;
    this.#progress(0, 0);
    if (format === 'jsonl') {
      const output = this.#output;
      await exportLines({ ...this.#request, output }, this.#tally, this.#progress);
    } else {
      const named = this.#request.target ?? sourceTarget(manifest);
      target = targetForSource(named, manifest);
      await this.#entries(target);
    }
    return {
      backup: manifest.id,
      format,
      target: target === undefined ? null : `${target.family} ${target.version}`,
      startedAt: new Date(this.#startedAtMs).toISOString(),
      durationMs: repository.clock.monotonic() - this.#begunAt,
      bytes: this.#output.bytes,
      totals: this.#tally.totals,
      databases: this.#tally.databases,
      functions: this.#functions,
      modules: [...this.#tally.modules].sort(),
      problems: this.#tally.problems,
      problemCount: this.#tally.problemCount,
      notices: this.#notices,
    };
  }

  async #entries(target: ExportTarget): Promise<void> {
    const { format } = this.#request;
    const databases = this.#databases();
    const encoding = this.#encoding(target);
    this.#warn(databases);
    const writer: ExportWriter =
      format === 'rdb'
        ? new RdbWriter(target, this.#output, this.#sizes(databases))
        : new CommandFileWriter(encoding, this.#output);
    await writer.begin(await this.#preamble(target));
    await new ExportPass({
      request: this.#request,
      encoding,
      writer,
      tally: this.#tally,
      databases,
      onProgress: this.#progress,
    }).run();
    await writer.finish();
    const modules = [...this.#tally.modules].sort().join(', ');
    if (modules !== '') this.#notice(`A server that loads this needs the modules of: ${modules}`);
  }

  get #selection(): EntrySelection {
    return this.#request.selection ?? {};
  }

  get #ttl(): ExportTtlPolicy {
    return this.#request.ttl ?? 'absolute';
  }

  /** Where the wanted databases go. Two into one would bring keys together that nobody compared. */
  #databases(): Database[] {
    const { manifest, mapDb } = this.#request;
    const wanted = this.#selection.databases;
    const databases = manifest.databases
      .filter(({ db }) => wanted === undefined || wanted.includes(db))
      .map(({ db }) => ({ from: db, to: mapDb?.get(db) ?? db }));
    const taken = new Map<number, number>();
    for (const { from, to } of databases) {
      const other = taken.get(to);
      if (other !== undefined) {
        const message = `Cannot write databases ${other} and ${from} into one: a key may be in both`;
        throw new CodedError('USAGE', message, {
          hint: 'Map them to different numbers, or choose one with --db',
        });
      }
      taken.set(to, from);
    }
    return databases.sort((a, b) => a.to - b.to);
  }

  #warn(databases: readonly Database[]): void {
    const { manifest, format } = this.#request;
    const highest = Math.max(0, ...databases.map(({ to }) => to));
    if (highest >= USUAL_DATABASES) {
      this.#notice(`A server that loads this needs "databases ${highest + 1}" or more`);
    }
    const isDivided = manifest.shards.length > 1;
    if (format === 'rdb' && isDivided && manifest.shards.some(({ slots }) => slots === null)) {
      this.#notice(
        'The backup has several shards that may hold the same key: a server refuses such a file',
      );
    }
  }

  #sizes(databases: readonly Database[]): DatabaseSizes {
    if (!selectsEverything(this.#withoutDatabases())) return new Map();
    const persists = this.#ttl === 'persist';
    const facts = new Map(this.#request.manifest.databases.map((of) => [of.db, of]));
    return new Map(
      databases.flatMap(({ from, to }) => {
        const of = facts.get(from);
        return of === undefined
          ? []
          : [[to, { keys: of.keys, expiring: persists ? 0 : of.expiring }]];
      }),
    );
  }

  #withoutDatabases(): EntrySelection {
    const { databases: _databases, ...rest } = this.#selection;
    return rest;
  }

  async #preamble(target: ExportTarget): Promise<ExportPreamble> {
    const { repository, manifest, functions, signal } = this.#request;
    const wanted = functions ?? (selectsEverything(this.#selection) ? 'include' : 'skip');
    const none = { libraries: [], scripts: [] };
    const found = wanted === 'skip' ? none : await readFunctions(repository, manifest, signal);
    const counts = this.#functions;
    counts.libraries = found.libraries.length;
    counts.scripts = found.scripts.length;
    if (!target.format.functions && counts.libraries > 0) {
      counts.failed = counts.libraries;
      this.#notice(`${counts.failed} function libraries: the target knows no functions`);
    }
    // Remaining times are counted from now on, as if the data were of now
    const instantMs =
      this.#ttl === 'remaining' ? this.#startedAtMs : Date.parse(manifest.snapshotAt);
    return { ...found, instantMs, rawBytes: manifest.totals.rawBytes };
  }

  #encoding({ family, number, format }: ExportTarget): ExportOptions {
    const { repository, manifest, allowInexact, conflict, commands, format: way } = this.#request;
    assert(way !== 'jsonl', 'lines are not encoded');
    // KeyDB speaks the commands of Redis 6, every Valkey those of Redis 7.2
    const spoken = { redis: number, keydb: 60000, valkey: 70200 }[family];
    return {
      way,
      format,
      setPxat: spoken >= 60200,
      restoreOptions: spoken >= 50000,
      modules: null,
      selection: this.#selection,
      allowInexact: allowInexact ?? false,
      ttl: {
        policy: this.#ttl,
        shiftMs: this.#request.ttlShiftMs ?? 0,
        startedAtMs: this.#startedAtMs,
        snapshotAtMs: Date.parse(manifest.snapshotAt),
      },
      words: {
        remove: spoken >= 40000 ? 'UNLINK' : 'DEL',
        setFields: spoken >= 40000 ? 'HSET' : 'HMSET',
        replace: spoken >= 30000,
      },
      conflict: conflict ?? 'overwrite',
      commands: commands ?? false,
      task: Buffer.from(repository.random(4)).toString('hex'),
    };
  }

  #progress = (keys: number, bytes: number): void => {
    const { format, manifest, onProgress } = this.#request;
    const totalBytes = manifest.totals.rawBytes;
    onProgress?.({ text: `Exporting ${NAMES[format]}`, keys, bytes, totalBytes });
  };

  #notice(text: string): void {
    this.#notices.push(text);
    this.#request.onNotice?.(text);
  }
}

const NAMES = { rdb: 'an RDB', jsonl: 'JSON Lines', resp: 'commands' } as const;

/** Counts what passes; whoever made the output ends it. */
class CountingOutput implements ExportOutput {
  bytes = 0;
  readonly #inner: ExportOutput;

  constructor(inner: ExportOutput) {
    this.#inner = inner;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.bytes += bytes.length;
    await this.#inner.write(bytes);
  }

  async commit(): Promise<void> {
    await this.#inner.commit();
  }

  async abort(): Promise<void> {
    await this.#inner.abort();
  }
}
