import { CodedError, isCoded } from '../base/index.ts';
import { type EntrySelection, formatText } from '../entries/index.ts';
import { connect, displayAddress, type RedisAddress } from '../redis/index.ts';
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
import {
  chooseNode,
  collectInstance,
  type InstanceLine,
  type NodeChoice,
  openReplication,
  type RdbByteSource,
  type ReplicationStream,
  SpooledRdb,
} from '../sources/index.ts';
import { Intake, type IntakeResult } from './intake.ts';
import type { BackupProgress, BackupReport, BackupRequest } from './requests.ts';
import { defaultWorkers } from './transcode-pool.ts';

/** RDB bytes that every worker should have for every slot range, or fewer ranges are made. */
const MIN_RANGE_BYTES = 1 << 20;
const MAX_RANGES = 16;

/**
 * Makes a full backup of a live standalone server: attaches as a replica to the node that can bear
 * it best, takes its RDB in while it arrives, and commits. When resolved the backup is durable and
 * listed; after any failure (the codes of src/sources/, src/rdb/ and src/storage/) nothing is
 * listed, and what was written is removed as far as the storage allows.
 */
export async function backUp(request: BackupRequest): Promise<BackupReport> {
  const begunAt = request.repository.clock.monotonic();
  const startedAt = request.repository.clock.now();
  const notices: string[] = [];
  const notice = (text: string): void => {
    notices.push(text);
    request.onNotice?.(text);
  };
  const node = await chooseNode(request.address, request.from ?? 'auto', connectOptions(request));
  checkNode(node);
  if (!sameNode(node.address, request.address)) {
    notice(`Reading from the replica ${displayAddress(node.address)}: ${node.why}`);
  }
  const source = await ensureSource(
    request.repository,
    {
      name: request.sourceName ?? defaultName(request.address),
      kind: 'standalone',
      marks: marksOf(node, request.address),
      ...(request.labels && { labels: request.labels }),
      ...(request.adopt !== undefined && { adopt: request.adopt }),
    },
    request.signal,
  );
  const expectedBytes = node.identity.usedMemory;
  const workers = request.workers ?? defaultWorkers();
  const slotRanges = chooseSlotRanges(expectedBytes, workers);
  const options = { slotRanges };
  const writer = await BackupWriter.begin(request.repository, source.id, options, request.signal);
  try {
    const run = new Run(request, node, source, writer, notice);
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

/** One backup between its begun record and its manifest. */
class Run {
  readonly #request: BackupRequest;
  #node: NodeChoice;
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
    node: NodeChoice,
    source: Source,
    writer: BackupWriter,
    notice: (text: string) => void,
  ) {
    this.#request = request;
    this.#node = node;
    this.#source = source;
    this.#writer = writer;
    this.#notice = notice;
  }

  async run(startedAtMs: number, usedMemory: number | null): Promise<Manifest> {
    this.#expectedBytes = usedMemory;
    const instance = await this.#collectInstance();
    const stream = await this.#attachToNode();
    const { length, snapshotAtMs } = stream.origin;
    if (length !== null) this.#expectedBytes = length;
    const shard = this.#writer.shard(shardId(0));
    shard.expectedBytes = this.#expectedBytes ?? 0;
    const intake = new Intake({
      source: this.#spooled(stream),
      shard,
      slotRanges: this.#writer.slotRanges,
      selection: this.#selection,
      snapshotAtMs,
      workers: this.#request.workers ?? defaultWorkers(),
      onProgress: (progress) => this.#report({ phase: 'receiving', ...progress }),
      ...(this.#request.signal && { signal: this.#request.signal }),
    });
    const taken = await intake.run();
    this.#report({ phase: 'finishing', text: 'Making the backup durable' });
    this.#warn(taken);
    const lines = [...instance, ...taken.sideLines];
    await this.#writer.writeInstance(shardId(0), lines, this.#request.signal);
    return await this.#commit(startedAtMs, stream, taken);
  }

  get #selection(): EntrySelection {
    const { selection = {}, address } = this.#request;
    if (address.database === null || selection.databases !== undefined) return selection;
    return { ...selection, databases: [address.database] };
  }

  async #collectInstance(): Promise<InstanceLine[]> {
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

  /** A replica that was chosen for its health and then refuses is no reason to fail. */
  async #attachToNode(): Promise<ReplicationStream> {
    try {
      return await this.#attach();
    } catch (error) {
      const { address, from = 'auto' } = this.#request;
      const isNamed = sameNode(this.#node.address, address);
      if (from !== 'auto' || isNamed || !isCoded(error) || error.code === 'INTERRUPTED')
        throw error;
      this.#notice(`The replica cannot be read: ${error.message}; reading from the master`);
      this.#node = await chooseNode(address, 'master', connectOptions(this.#request));
      return await this.#attach();
    }
  }

  async #attach(): Promise<ReplicationStream> {
    const { tls, deadlines, commandNames, signal, spoolFolder } = this.#request;
    const rateLimit = spoolFolder === undefined ? this.#request.rateLimit : undefined;
    return await openReplication(this.#node.address, {
      onPhase: (phase, text) => this.#report({ phase, text }),
      ...(tls && { tls }),
      ...(deadlines && { deadlines }),
      ...(commandNames && { commandNames }),
      ...(signal && { signal }),
      ...(rateLimit && {
        rateLimit: { onLifted: (reason: string) => this.#notice(liftedText(reason)), ...rateLimit },
      }),
    });
  }

  /** With a spool the source sends at full speed, and the limit applies behind it. */
  #spooled(stream: ReplicationStream): RdbByteSource {
    const { spoolFolder: folder, rateLimit } = this.#request;
    if (folder === undefined) return stream;
    return new SpooledRdb(stream, {
      folder,
      ...(rateLimit && { bytesPerSecond: rateLimit.bytesPerSecond }),
      onReceived: () => this.#report({ text: 'Reading the spool; the server is free again' }),
    });
  }

  #warn(taken: IntakeResult): void {
    for (const [reason, count] of Object.entries(taken.lossy)) {
      this.#notice(`${count} times not expressed exactly: ${reason}`);
    }
    if (!taken.checksumVerified) {
      this.#notice('The server computes no RDB checksum (rdbchecksum no): nothing to verify');
    }
  }

  async #commit(
    startedAtMs: number,
    stream: ReplicationStream,
    taken: IntakeResult,
  ): Promise<Manifest> {
    const { repository, labels = {}, signal } = this.#request;
    const { origin } = stream;
    const shard = this.#shardFacts(stream, taken);
    const { role } = shard;
    const topology = await recordTopology(
      repository,
      this.#source.id,
      {
        kind: 'standalone',
        epoch: null,
        shards: [
          {
            shard: shard.shard,
            serverShardId: null,
            slots: null,
            nodes: [{ nodeId: null, address: shard.address, role }],
          },
        ],
      },
      signal,
    );
    const time = (ms: number): string => new Date(ms).toISOString();
    return await this.#writer.commit(
      {
        consistency: 'point-in-time',
        startedAt: time(startedAtMs),
        snapshotAt: time(origin.snapshotAtMs),
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

  #shardFacts(stream: ReplicationStream, taken: IntakeResult): ShardFacts {
    const { origin } = stream;
    const { identity, address, role } = this.#node;
    const { replid, offset } = origin;
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
      replication: replid === null || offset === null ? null : { replid, offset },
      lineage: null,
      rdb: rdbFacts(taken),
      snapshotAt: new Date(origin.snapshotAtMs).toISOString(),
    };
  }

  #report(progress: Partial<BackupProgress>): void {
    this.#last = { ...this.#last, expectedBytes: this.#expectedBytes, ...progress };
    this.#request.onProgress?.(this.#last);
  }
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

function connectOptions(request: BackupRequest) {
  const { tls, signal } = request;
  return { ...(tls && { tls }), ...(signal && { signal }) };
}

function checkNode(node: NodeChoice): void {
  const { mode } = node.identity;
  if (mode !== 'sentinel' && mode !== 'cluster') return;
  const what = mode === 'sentinel' ? 'a Sentinel' : 'a node of a cluster';
  throw new CodedError(
    'SOURCE_UNSUPPORTED',
    `Cannot back up ${displayAddress(node.address)}: it is ${what}`,
    { hint: mode === 'sentinel' ? 'Name the server itself' : 'Clusters cannot be a source yet' },
  );
}

function sameNode(a: RedisAddress, b: RedisAddress): boolean {
  return a.host === b.host && a.port === b.port && a.path === b.path;
}

function defaultName(address: RedisAddress): string {
  if (address.path !== null) return address.path.replace(/^\/+/, '').replaceAll('/', '-');
  return `${address.host}-${address.port}`;
}

/** Everything by which the instance could be known again. */
function marksOf(node: NodeChoice, named: RedisAddress): string[] {
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

function liftedText(reason: string): string {
  return `The rate limit was lifted to protect the source: ${reason}`;
}
