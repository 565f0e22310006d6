import { CodedError, isCoded } from '../base/index.ts';
import {
  BackupWriter,
  ensureSource,
  type Manifest,
  recordTopology,
  shardId,
  type ShardFacts,
  type Source,
  type DatabaseFacts,
} from '../repository/index.ts';
import { openRdbFile, openRdbStream, type RdbByteSource } from '../sources/index.ts';
import { chooseSlotRanges, describeSelection, rdbFacts, serverVersion } from './back-up.ts';
import { Intake, type IntakeResult } from './intake.ts';
import type { BackupReport, ImportRequest } from './requests.ts';
import { defaultWorkers } from './transcode-pool.ts';

/** What one imported RDB became. */
type Imported = { readonly facts: ShardFacts; readonly taken: IntakeResult };

/**
 * Makes a backup of RDB files: one shard for each, in the order given. Its instant is the one that
 * the (last) file says it was made at. Throws as `backUp`, and USAGE for a file that is not there.
 */
export async function importRdb(request: ImportRequest): Promise<BackupReport> {
  const { repository, files, signal } = request;
  if (files.length === 0) throw new CodedError('USAGE', 'Cannot import nothing: name a file or -');
  const begunAt = repository.clock.monotonic();
  const startedAtMs = repository.clock.now();
  const notices: string[] = [];
  const notice = (text: string): void => {
    notices.push(text);
    request.onNotice?.(text);
  };
  const inputs = await openInputs(request);
  const expectedBytes = inputs.reduce((sum, { origin }) => sum + (lengthOf(origin) ?? 0), 0);
  let writer: BackupWriter | undefined;
  try {
    const source = await ensureSource(repository, describe(request), signal);
    const workers = request.workers ?? defaultWorkers() + 1;
    const slotRanges = chooseSlotRanges(expectedBytes === 0 ? null : expectedBytes, workers);
    writer = await BackupWriter.begin(repository, source.id, { slotRanges }, signal);
    const imported: Imported[] = [];
    let receivedBytes = 0;
    for (const [index, input] of inputs.entries()) {
      const before = receivedBytes;
      const one = await importOne(request, writer, input, index, before, expectedBytes);
      receivedBytes += one.taken.receivedBytes;
      if (!one.taken.checksumVerified) {
        notice(`${one.facts.address} has no checksum: its bytes could not be verified`);
      }
      imported.push(one);
    }
    const manifest = await commit(request, source, writer, imported, startedAtMs);
    const durationMs = repository.clock.monotonic() - begunAt;
    return { id: manifest.id, source, manifest, receivedBytes, durationMs, notices };
  } catch (error) {
    for (const input of inputs) input.close();
    await writer?.abort();
    if (signal?.aborted === true && !isCoded(error, 'INTERRUPTED')) {
      throw new CodedError('INTERRUPTED', 'The import was interrupted', { cause: error });
    }
    throw error;
  }
}

async function openInputs(request: ImportRequest): Promise<RdbByteSource[]> {
  const inputs: RdbByteSource[] = [];
  try {
    for (const file of request.files) {
      if (file !== '-') inputs.push(await openRdbFile(file));
      else if (request.stdin !== undefined) inputs.push(openRdbStream(request.stdin));
      else throw new CodedError('USAGE', 'Cannot read standard input: there is none');
    }
  } catch (error) {
    for (const input of inputs) input.close();
    throw error;
  }
  return inputs;
}

function lengthOf(origin: RdbByteSource['origin']): number | null {
  return origin.length;
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

async function importOne(
  request: ImportRequest,
  writer: BackupWriter,
  input: RdbByteSource,
  index: number,
  receivedBefore: number,
  expectedBytes: number,
): Promise<Imported> {
  const { repository, signal } = request;
  const { origin } = input;
  const name = origin.kind === 'file' ? origin.path : '-';
  const shard = writer.shard(shardId(index));
  shard.expectedBytes = expectedBytes;
  const taken = await new Intake({
    source: input,
    shard,
    slotRanges: writer.slotRanges,
    selection: request.selection ?? {},
    snapshotAtMs: repository.clock.now(),
    workers: request.workers ?? defaultWorkers() + 1,
    onProgress: (progress) =>
      request.onProgress?.({
        phase: 'receiving',
        text: `Reading ${name}`,
        expectedBytes: expectedBytes === 0 ? null : expectedBytes,
        ...progress,
        receivedBytes: receivedBefore + progress.receivedBytes,
      }),
    ...(signal && { signal }),
  }).run();
  await shard.close(signal);
  await writer.writeInstance(shardId(index), taken.sideLines, signal);
  return { facts: shardFacts(name, index, taken, repository.clock.now()), taken };
}

function shardFacts(name: string, index: number, taken: IntakeResult, nowMs: number): ShardFacts {
  const { aux } = taken;
  const replid = aux.get('repl-id');
  const offset = Number(aux.get('repl-offset'));
  const seconds = Number(aux.get('ctime'));
  const snapshotAtMs = Number.isSafeInteger(seconds) && seconds > 0 ? seconds * 1000 : nowMs;
  const hasHistory = replid !== undefined && Number.isSafeInteger(offset);
  return {
    shard: shardId(index),
    slots: null,
    address: name,
    role: 'file',
    server: {
      family: serverFamily(aux),
      version: serverVersion(aux),
      runId: null,
    },
    replication: hasHistory ? { replid, offset } : null,
    lineage: null,
    rdb: rdbFacts(taken),
    snapshotAt: new Date(snapshotAtMs).toISOString(),
  };
}

const KEYDB_FIELDS = ['mvcc-tstamp', 'repl-masters', 'keydb-subexpire-key'];

/** KeyDB calls itself by Redis's name; but Redis never released a 6.3. */
function serverFamily(aux: ReadonlyMap<string, string>): string {
  if (aux.has('valkey-ver')) return 'valkey';
  const isKeydb = KEYDB_FIELDS.some((name) => aux.has(name));
  return isKeydb || aux.get('redis-ver')?.startsWith('6.3.') === true ? 'keydb' : 'redis';
}

async function commit(
  request: ImportRequest,
  source: Source,
  writer: BackupWriter,
  imported: readonly Imported[],
  startedAtMs: number,
): Promise<Manifest> {
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
    consistency: 'point-in-time' as const,
    startedAt: new Date(startedAtMs).toISOString(),
    snapshotAt: snapshots.at(-1) as string,
    endedAt: new Date(repository.clock.now()).toISOString(),
    labels: request.labels ?? {},
    selection: describeSelection(request.selection ?? {}),
    topology,
    shards,
    databases: mergeDatabases(imported.map(({ taken }) => taken.databases)),
    lossy: mergeLossy(imported.map(({ taken }) => taken.lossy)),
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
