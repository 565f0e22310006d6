import { isCoded, type RunControl } from '../base/index.ts';
import { shardId, type ShardFacts } from '../repository/index.ts';
import { RateControlledRdb, type RdbByteSource } from '../sources/index.ts';
import { rdbFacts, serverVersion } from './back-up.ts';
import type { ImportedShard, ImportRun } from './import-files.ts';
import type { ImportInput } from './import-input.ts';
import { Intake, type IntakeResult } from './intake.ts';

/**
 * Takes RDB files in as shards of a backup, one after the other. The instant of each is the one
 * that the file says it was made at.
 */
export async function takeRdbs(run: ImportRun): Promise<ImportedShard[]> {
  const shards: ImportedShard[] = [];
  let receivedBytes = 0;
  for (const [index, input] of run.inputs.entries()) {
    const taken = await takeOne(run, input, index, receivedBytes);
    receivedBytes += taken.receivedBytes;
    const facts = shardFacts(input, index, taken, run.request.repository.clock.now());
    if (!taken.checksumVerified) {
      run.notice(`${facts.address} has no checksum: its bytes could not be verified`);
    }
    const { databases, lossy } = taken;
    shards.push({ facts, databases, lossy, receivedBytes: taken.receivedBytes });
  }
  return shards;
}

async function takeOne(
  run: ImportRun,
  input: ImportInput,
  index: number,
  receivedBefore: number,
): Promise<IntakeResult> {
  const { request, writer, workers } = run;
  const { repository, signal } = request;
  const shard = writer.shard(shardId(index));
  shard.expectedBytes = run.expectedBytes ?? 0;
  // What comes out of compressed files is more than their length, and nobody knows how much.
  const expectedBytes = run.inputs.every(({ isPlainFile }) => isPlainFile)
    ? run.expectedBytes
    : null;
  const intake = new Intake({
    source: controlled(await input.openRdb(), request.control),
    shard,
    slotRanges: writer.slotRanges,
    selection: request.selection ?? {},
    snapshotAtMs: repository.clock.now(),
    workers,
    onProgress: (progress) =>
      request.onProgress?.({
        phase: 'receiving',
        text: `Reading ${input.name}`,
        expectedBytes,
        ...progress,
        receivedBytes: receivedBefore + progress.receivedBytes,
      }),
    ...(signal && { signal }),
  });
  const taken = await intake.run().catch((error: unknown) => {
    // What went wrong while decompressing says more than that the stream broke.
    throw isCoded(error, 'SOURCE_LOST') && isCoded(error.cause) ? error.cause : error;
  });
  await shard.close(signal);
  await writer.writeInstance(shardId(index), taken.sideLines, signal);
  return taken;
}

function shardFacts(
  input: ImportInput,
  index: number,
  taken: IntakeResult,
  nowMs: number,
): ShardFacts {
  const { aux } = taken;
  const replid = aux.get('repl-id');
  const offset = Number(aux.get('repl-offset'));
  const seconds = Number(aux.get('ctime'));
  const snapshotAtMs = Number.isSafeInteger(seconds) && seconds > 0 ? seconds * 1000 : nowMs;
  const hasHistory = replid !== undefined && Number.isSafeInteger(offset);
  return {
    shard: shardId(index),
    slots: null,
    address: input.name,
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

/**
 * The family of the server that wrote an RDB, by its fields. KeyDB calls itself by Redis's name;
 * but Redis never released a 6.3.
 */
export function serverFamily(aux: ReadonlyMap<string, string>): string {
  if (aux.has('valkey-ver')) return 'valkey';
  const isKeydb = KEYDB_FIELDS.some((name) => aux.has(name));
  return isKeydb || aux.get('redis-ver')?.startsWith('6.3.') === true ? 'keydb' : 'redis';
}

function controlled(source: RdbByteSource, control: RunControl | undefined): RdbByteSource {
  return control === undefined ? source : new RateControlledRdb(source, control);
}
