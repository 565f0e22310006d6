import { CodedError, isCoded } from '../base/index.ts';
import {
  BackupWriter,
  type DatabaseFacts,
  ensureSource,
  type Manifest,
  recordTopology,
  type ShardFacts,
  type Source,
} from '../repository/index.ts';
import { chooseSlotRanges, describeSelection } from './back-up.ts';
import { ImportInput } from './import-input.ts';
import { takeJsonLines } from './import-json-lines.ts';
import { takeRdbs } from './import-rdb.ts';
import type { BackupReport, ImportRequest } from './requests.ts';
import { defaultWorkers } from './transcode-pool.ts';

/** What an import goes by while it runs. */
export type ImportRun = {
  readonly request: ImportRequest;
  readonly inputs: readonly ImportInput[];
  readonly writer: BackupWriter;
  readonly workers: number;
  /** Bytes of all files as they lie there; null where one is a pipe. */
  readonly expectedBytes: number | null;
  readonly notice: (text: string) => void;
};

/** What one shard of the backup became. */
export type ImportedShard = {
  readonly facts: ShardFacts;
  readonly databases: readonly DatabaseFacts[];
  readonly lossy: Readonly<Record<string, number>>;
  readonly receivedBytes: number;
};

/** RDB files and nothing else: see `importFiles`. */
export async function importRdb(request: ImportRequest): Promise<BackupReport> {
  return await importFiles({ ...request, format: 'rdb' });
}

/** JSON Lines and nothing else: see `importFiles`. */
export async function importJsonLines(request: ImportRequest): Promise<BackupReport> {
  return await importFiles({ ...request, format: 'jsonl' });
}

/**
 * Makes one backup of files that exist already (docs/import.md): RDB files become its shards, in
 * the order given; JSON Lines, of however many files, one shard. Throws as `backUp`, and USAGE for
 * files that are not there or of two formats, SOURCE_UNSUPPORTED for other formats, SOURCE_GARBAGE
 * and SOURCE_LOST for files that cannot be read to their end, JSONL_INVALID for lines.
 */
export async function importFiles(request: ImportRequest): Promise<BackupReport> {
  const { repository, signal } = request;
  const begunAt = repository.clock.monotonic();
  const startedAtMs = repository.clock.now();
  const notices: string[] = [];
  const notice = (text: string): void => {
    notices.push(text);
    request.onNotice?.(text);
  };
  const inputs: ImportInput[] = [];
  const close = (): void => {
    for (const input of inputs) input.close();
  };
  let writer: BackupWriter | undefined;
  signal?.addEventListener('abort', close);
  try {
    signal?.throwIfAborted();
    await openInputs(request, inputs);
    const source = await ensureSource(repository, describe(request), signal);
    const expectedBytes = sumLengths(inputs);
    const format = inputs[0]?.format;
    const workers = request.workers ?? defaultWorkers() + 1;
    const encoders = format === 'jsonl' ? 1 : workers;
    const slotRanges = chooseSlotRanges(expectedBytes, encoders);
    writer = await BackupWriter.begin(repository, source.id, { slotRanges }, signal);
    const run: ImportRun = { request, inputs, writer, workers, expectedBytes, notice };
    const shards = format === 'jsonl' ? [await takeJsonLines(run)] : await takeRdbs(run);
    signal?.throwIfAborted();
    const manifest = await commit(run, source, shards, startedAtMs);
    const receivedBytes = shards.reduce((sum, shard) => sum + shard.receivedBytes, 0);
    const durationMs = repository.clock.monotonic() - begunAt;
    return { id: manifest.id, source, manifest, receivedBytes, durationMs, notices };
  } catch (error) {
    await writer?.abort();
    if (signal?.aborted === true && !isCoded(error, 'INTERRUPTED')) {
      throw new CodedError('INTERRUPTED', 'The import was interrupted', { cause: error });
    }
    throw error;
  } finally {
    signal?.removeEventListener('abort', close);
    close();
  }
}

async function openInputs(request: ImportRequest, inputs: ImportInput[]): Promise<void> {
  const { files, stdin, format } = request;
  if (files.length === 0) throw new CodedError('USAGE', 'Cannot import nothing: name a file or -');
  for (const file of files) inputs.push(await ImportInput.open(file, stdin, format));
  const first = inputs[0];
  const other = inputs.find((input) => input.format !== first.format);
  if (other === undefined) return;
  throw new CodedError(
    'USAGE',
    `Cannot make one backup of ${first.name} (${first.format}) and ${other.name} (${other.format})`,
    { hint: 'Import the RDB files and the JSON Lines one after the other' },
  );
}

function sumLengths(inputs: readonly ImportInput[]): number | null {
  let sum = 0;
  for (const { length } of inputs) {
    if (length === null) return null;
    sum += length;
  }
  return sum;
}

function describe(request: ImportRequest) {
  return {
    name: request.sourceName,
    kind: 'import' as const,
    marks: [],
    ...(request.labels && { labels: request.labels }),
    ...(request.adopt !== undefined && { adopt: request.adopt }),
  };
}

async function commit(
  run: ImportRun,
  source: Source,
  imported: readonly ImportedShard[],
  startedAtMs: number,
): Promise<Manifest> {
  const { request, writer, inputs } = run;
  const { repository, signal } = request;
  const shards = imported.map(({ facts }) => facts);
  const topology = await recordTopology(
    repository,
    source.id,
    {
      kind: 'import',
      epoch: null,
      shards: shards.map(({ shard, address, role }) => ({
        shard,
        serverShardId: null,
        slots: null,
        nodes: [{ nodeId: null, address, role }],
      })),
    },
    signal,
  );
  const snapshots = shards.map(({ snapshotAt }) => snapshotAt).sort();
  const facts = {
    // Lines do not say of what instant they are, nor whether of one.
    consistency: inputs[0].format === 'rdb' ? ('point-in-time' as const) : ('fuzzy' as const),
    startedAt: new Date(startedAtMs).toISOString(),
    snapshotAt: snapshots[snapshots.length - 1],
    endedAt: new Date(repository.clock.now()).toISOString(),
    labels: request.labels ?? {},
    selection: describeSelection(request.selection ?? {}),
    topology,
    shards,
    databases: mergeDatabases(imported.map(({ databases }) => databases)),
    lossy: mergeLossy(imported.map(({ lossy }) => lossy)),
  };
  return await writer.commit(facts, signal);
}

function mergeDatabases(lists: readonly (readonly DatabaseFacts[])[]): DatabaseFacts[] {
  const merged = new Map<number, DatabaseFacts>();
  for (const facts of lists.flat()) {
    const known = merged.get(facts.db);
    if (known === undefined) {
      merged.set(facts.db, facts);
      continue;
    }
    const types: Record<string, number> = { ...known.types };
    for (const [type, keys] of Object.entries(facts.types)) types[type] = (types[type] ?? 0) + keys;
    merged.set(facts.db, {
      db: facts.db,
      keys: known.keys + facts.keys,
      expiring: known.expiring + facts.expiring,
      expired: known.expired + facts.expired,
      types,
    });
  }
  return [...merged.values()].sort((a, b) => a.db - b.db);
}

function mergeLossy(lists: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const merged: Record<string, number> = {};
  for (const lossy of lists) {
    for (const [reason, count] of Object.entries(lossy)) {
      merged[reason] = (merged[reason] ?? 0) + count;
    }
  }
  return merged;
}
