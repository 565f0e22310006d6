import { CodedError, isCoded } from '../base/index.ts';
import { type EntrySelection, formatText } from '../entries/index.ts';
import { connect, displayAddress, type RedisAddress, resolveAddress } from '../redis/index.ts';
import {
  BackupWriter,
  ensureSource,
  type Manifest,
  recordTopology,
  type Selection,
  shardId,
  type ShardFacts,
  type Source,
} from '../repository/index.ts';
import { chooseNode, collectInstance, type NodeChoice } from '../sources/index.ts';
import { Intake, type IntakeResult } from './intake.ts';
import {
  connectOptions,
  describeCounts,
  isSameNode,
  openReading,
  type Reading,
} from './open-reading.ts';
import type { BackupProgress, BackupReport, BackupRequest } from './requests.ts';
import { defaultWorkers } from './transcode-pool.ts';

/** RDB bytes that every worker should have for every slot range, or fewer ranges are made. */
const MIN_RANGE_BYTES = 1 << 20;
const MAX_RANGES = 16;

/**
 * Makes a full backup of a live standalone server: attaches as a replica to the node that can bear
 * it best (or reads it key by key, by the mode), takes its RDB in while it arrives, and commits.
 * When resolved the backup is durable and listed; after any failure (the codes of src/sources/,
 * src/rdb/ and src/storage/) nothing is listed, and what was written is removed as far as the
 * storage allows.
 */
export async function backUp(request: BackupRequest): Promise<BackupReport> {
  const begunAt = request.repository.clock.monotonic();
  const startedAt = request.repository.clock.now();
  const notices: string[] = [];
  const notice = (text: string): void => {
    notices.push(text);
    request.onNotice?.(text);
  };
  const address = await resolveAddress(request.address, connectOptions(request));
  if (address !== request.address) notice(`The master is now ${displayAddress(address)}`);
  const node = await chooseNode(address, request.from ?? 'auto', connectOptions(request));
  checkNode(node);
  if (!isSameNode(node.address, address)) {
    notice(`Reading from the replica ${displayAddress(node.address)}: ${node.why}`);
  }
  const source = request.standIn?.source ?? (await sourceOf(request, node, address));
  const expectedBytes = node.identity.usedMemory;
  const workers = request.workers ?? defaultWorkers();
  const slotRanges = chooseSlotRanges(expectedBytes, workers);
  const options = { slotRanges };
  const writer = await BackupWriter.begin(request.repository, source.id, options, request.signal);
  try {
    const run = new Run(request, address, node, source, writer, notice);
    const manifest = await run.run(startedAt, expectedBytes);
    return {
      id: manifest.id,
      source,
      manifest,
      receivedBytes: manifest.shards[0]?.rdb?.bytes ?? 0,
      durationMs: request.repository.clock.monotonic() - begunAt,
      notices,
    };
  } catch (error) {
    await writer.abort();
    if (request.signal?.aborted === true && !isCoded(error, 'INTERRUPTED')) {
      throw new CodedError('INTERRUPTED', 'The backup was interrupted', { cause: error });
    }
    throw error;
  }
}

async function sourceOf(
  request: BackupRequest,
  node: NodeChoice,
  address: RedisAddress,
): Promise<Source> {
  const { repository, sourceName, labels, adopt, signal } = request;
  const description = {
    name: sourceName ?? defaultName(request.address),
    kind: 'standalone',
    marks: marksOf(node, address),
    ...(labels && { labels }),
    ...(adopt !== undefined && { adopt }),
  } as const;
  return await ensureSource(repository, description, signal);
}

/** One backup between its begun record and its manifest. */
class Run {
  readonly #request: BackupRequest;
  readonly #address: RedisAddress;
  readonly #node: NodeChoice;
  readonly #source: Source;
  readonly #writer: BackupWriter;
  readonly #notice: (text: string) => void;
  #expectedBytes: number | null = null;
  #last: BackupProgress = {
    phase: 'connecting',
    text: '',
    receivedBytes: 0,
    expectedBytes: null,
    keys: 0,
    storedBytes: 0,
  };

  constructor(
    request: BackupRequest,
    address: RedisAddress,
    node: NodeChoice,
    source: Source,
    writer: BackupWriter,
    notice: (text: string) => void,
  ) {
    this.#request = request;
    this.#address = address;
    this.#node = node;
    this.#source = source;
    this.#writer = writer;
    this.#notice = notice;
  }

  async run(startedAtMs: number, usedMemory: number | null): Promise<Manifest> {
    this.#expectedBytes = usedMemory;
    const instance = await this.#collectInstance();
    const reading = await this.#openReading();
    const { length } = reading;
    // Against this instant it is counted how many keys had expired.
    const snapshotAtMs = this.#request.standIn?.snapshotAtMs ?? reading.snapshotAtMs;
    if (length !== null) this.#expectedBytes = length;
    const id = this.#request.standIn?.shard.shard ?? shardId(0);
    const shard = this.#writer.shard(id);
    shard.expectedBytes = this.#expectedBytes ?? 0;
    const intake = new Intake({
      source: reading.source,
      shard,
      slotRanges: this.#writer.slotRanges,
      selection: this.#selection,
      snapshotAtMs,
      workers: this.#request.workers ?? defaultWorkers(),
      onProgress: (progress) => this.#report({ phase: 'receiving', ...progress }),
      ...(this.#request.signal && { signal: this.#request.signal }),
    });
    const taken = withKeyMetadata(await intake.run(), reading);
    this.#report({ phase: 'finishing', text: 'Making the backup durable' });
    this.#warn(taken, reading);
    const lines = [...instance, ...taken.sideLines];
    await this.#writer.writeInstance(id, lines, this.#request.signal);
    return await this.#commit(startedAtMs, reading, taken);
  }

  async #openReading(): Promise<Reading> {
    return await openReading({
      request: this.#request,
      address: this.#address,
      node: this.#node,
      selection: this.#selection,
      notice: this.#notice,
      report: (progress) => this.#report(progress),
    });
  }

  get #selection(): EntrySelection {
    const { selection = {}, address } = this.#request;
    if (address.database === null || selection.databases !== undefined) return selection;
    return { ...selection, databases: [address.database] };
  }

  async #collectInstance(): Promise<readonly unknown[]> {
    const { standIn } = this.#request;
    if (standIn !== undefined) return standIn.instance;
    this.#report({ phase: 'connecting', text: 'Asking the server about itself' });
    const conn = await connect(this.#node.address, {
      lostCode: 'SOURCE_LOST',
      ...connectOptions(this.#request),
    });
    try {
      return await collectInstance(conn, { acl: false });
    } finally {
      conn.close();
    }
  }

  #warn(taken: IntakeResult, { counts }: Reading): void {
    if (counts !== null) for (const text of describeCounts(counts())) this.#notice(text);
    for (const [reason, count] of Object.entries(taken.lossy)) {
      this.#notice(`${count} times not expressed exactly: ${reason}`);
    }
    if (!taken.checksumVerified) {
      this.#notice('The server computes no RDB checksum (rdbchecksum no): nothing to verify');
    }
  }

  async #commit(startedAtMs: number, reading: Reading, taken: IntakeResult): Promise<Manifest> {
    const { repository, labels = {}, standIn, signal } = this.#request;
    const shard = this.#shardFacts(reading, taken);
    const topology = standIn === undefined ? await this.#topology(shard) : standIn.topology;
    const time = (ms: number): string => new Date(ms).toISOString();
    return await this.#writer.commit(
      {
        consistency: reading.consistency,
        startedAt: time(startedAtMs),
        snapshotAt: shard.snapshotAt,
        endedAt: time(repository.clock.now()),
        labels,
        selection: describeSelection(this.#selection),
        topology,
        shards: [shard],
        databases: taken.databases,
        lossy: taken.lossy,
      },
      signal,
    );
  }

  async #topology({ shard, address, role }: ShardFacts): Promise<string> {
    const nodes = [{ nodeId: null, address, role }];
    const { repository, signal } = this.#request;
    const shards = [{ shard, serverShardId: null, slots: null, nodes }];
    const topology = { kind: 'standalone', epoch: null, shards } as const;
    return await recordTopology(repository, this.#source.id, topology, signal);
  }

  #shardFacts(reading: Reading, taken: IntakeResult): ShardFacts {
    const { standIn } = this.#request;
    if (standIn !== undefined) {
      const snapshotAt = new Date(standIn.snapshotAtMs).toISOString();
      return { ...standIn.shard, rdb: rdbFacts(taken), snapshotAt };
    }
    const { identity, address, role } = reading.node;
    return {
      shard: shardId(0),
      slots: null,
      address: displayAddress({ ...address, user: null, database: null }),
      role: role === 'replica' ? 'replica' : 'master',
      server: {
        family: identity.family,
        version: identity.version === '' ? serverVersion(taken.aux) : identity.version,
        runId: identity.runId,
      },
      replication: reading.replication,
      lineage: this.#lineageOf(reading),
      rdb: rdbFacts(taken),
      snapshotAt: new Date(reading.snapshotAtMs).toISOString(),
      reading: reading.facts(),
    };
  }

  #lineageOf({ replication }: Reading): string | null {
    if (replication === null) return null;
    return this.#request.lineageOf?.(replication) ?? null;
  }

  #report(progress: Partial<BackupProgress>): void {
    this.#last = { ...this.#last, expectedBytes: this.#expectedBytes, ...progress };
    this.#request.onProgress?.(this.#last);
  }
}

/** Module metadata of keys (Redis 8.6) is the one thing that cannot be carried over from DUMP. */
function withKeyMetadata(taken: IntakeResult, { counts }: Reading): IntakeResult {
  const count = counts?.().keyMetadata ?? 0;
  if (count === 0) return taken;
  return { ...taken, lossy: { ...taken.lossy, 'key-metadata': count } };
}

/** What an RDB says of its own server. */
export function serverVersion(aux: ReadonlyMap<string, string>): string | null {
  return aux.get('valkey-ver') ?? aux.get('redis-ver') ?? null;
}

export function rdbFacts(taken: IntakeResult): ShardFacts['rdb'] {
  return {
    version: taken.format.version,
    checksum: taken.checksumVerified ? 'verified' : 'off',
    bytes: taken.receivedBytes,
  };
}

/** As many slot ranges as leave blocks of a good size; `expectedBytes` of RDB. */
export function chooseSlotRanges(expectedBytes: number | null, workers: number): number {
  if (expectedBytes === null) return MAX_RANGES;
  const blocks = Math.floor(expectedBytes / workers / MIN_RANGE_BYTES);
  return Math.max(1, Math.min(MAX_RANGES, blocks));
}

/** The selection as a manifest keeps it. */
export function describeSelection(selection: EntrySelection): Selection {
  const texts = (list: readonly Uint8Array[] | undefined): string[] | null =>
    list === undefined ? null : list.map(formatText);
  return {
    databases: selection.databases ?? null,
    keys: texts(selection.keys),
    match: texts(selection.match),
    exclude: texts(selection.exclude),
    types: selection.types ?? null,
  };
}

export function checkNode(node: NodeChoice): void {
  const { mode } = node.identity;
  if (mode !== 'sentinel' && mode !== 'cluster') return;
  const what = mode === 'sentinel' ? 'a Sentinel' : 'a node of a cluster';
  throw new CodedError(
    'SOURCE_UNSUPPORTED',
    `Cannot back up ${displayAddress(node.address)}: it is ${what}`,
    {
      hint:
        mode === 'sentinel'
          ? 'Name its master: sentinel://host:port/name'
          : 'Clusters cannot be a source yet',
    },
  );
}

export function defaultName(address: RedisAddress): string {
  if (address.sentinel !== undefined) return address.sentinel.master;
  if (address.path !== null) return address.path.replace(/^\/+/, '').replaceAll('/', '-');
  return `${address.host}-${address.port}`;
}

/** Everything by which the instance could be known again. */
export function marksOf(node: NodeChoice, named: RedisAddress): string[] {
  const { runId, replid, info } = node.identity;
  const marks: string[] = [];
  if (runId !== null) marks.push(`run:${runId}`);
  const second = info['master_replid2'];
  for (const id of [second, replid]) {
    if (id !== undefined && id !== null && /[^0]/.test(id)) marks.push(`replid:${id}`);
  }
  const isLoopback = /^(localhost|127\.|::1$)/.test(named.host);
  if (named.path === null && !isLoopback) marks.push(`address:${named.host}:${named.port}`);
  return marks;
}
