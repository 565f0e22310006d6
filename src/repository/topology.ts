import { isCoded } from '../base/index.ts';
import { isTopologyObject, topologyFolder, topologyObject } from './layout.ts';
import { encodeDocument, MAX_DOCUMENT_BYTES, parseDocument } from './records/document.ts';
import type { Fields } from './records/fields.ts';
import type { Repository } from './repository.ts';

const FORMAT = 'tidemark-topology';

/** Which nodes a source consisted of at some time; also kept for a standalone server. */
export type Topology = {
  readonly kind: 'standalone' | 'cluster' | 'import';
  /** The cluster's configuration epoch. */
  readonly epoch: number | null;
  readonly shards: readonly TopologyShard[];
};

export type TopologyShard = {
  /** Our id of the shard. */
  readonly shard: string;
  /** The server's own id of it, where it has one. */
  readonly serverShardId: string | null;
  /** Inclusive; null outside a cluster. */
  readonly slots: readonly (readonly [number, number])[] | null;
  readonly nodes: readonly {
    readonly nodeId: string | null;
    readonly address: string;
    readonly role: 'master' | 'replica' | 'file';
  }[];
};

/**
 * Records the topology where it differs from the newest one recorded, and resolves to the name of
 * the object that says so, for the manifest.
 */
export async function recordTopology(
  repository: Repository,
  source: string,
  topology: Topology,
  signal?: AbortSignal,
): Promise<string> {
  const { storage, clock } = repository;
  const newest = await newestTopology(repository, source, signal);
  if (newest !== undefined && isSame(newest.topology, topology)) return newest.object;
  const { kind, epoch, shards } = topology;
  // A time that is taken, or a clock that went back, must not hide the record: go past the newest.
  for (let timeMs = clock.now(); ; timeMs++) {
    const object = topologyObject(source, timeMs);
    if (newest !== undefined && object <= newest.object) {
      timeMs = Math.max(timeMs, timeOf(newest.object, source));
      continue;
    }
    const members = { source, recordedAt: new Date(timeMs).toISOString(), kind, epoch, shards };
    try {
      await storage.put(object, encodeDocument(FORMAT, members), signal);
      return object;
    } catch (error) {
      if (!isCoded(error, 'OBJECT_EXISTS')) throw error;
    }
  }
}

export async function readTopology(
  repository: Repository,
  object: string,
  signal?: AbortSignal,
): Promise<Topology> {
  const options = { maxBytes: MAX_DOCUMENT_BYTES };
  const bytes = await repository.storage.read(object, options, signal);
  const fields = parseDocument(bytes, FORMAT, object);
  return {
    kind: fields.oneOf('kind', ['standalone', 'cluster', 'import']),
    epoch: fields.isNull('epoch') ? null : fields.integer('epoch'),
    shards: fields.items('shards', readShard),
  };
}

function readShard(fields: Fields): TopologyShard {
  return {
    shard: fields.text('shard'),
    serverShardId: fields.textOrNull('serverShardId'),
    slots: fields.isNull('slots') ? null : fields.pairs('slots', 0, 16383),
    nodes: fields.items('nodes', (node) => ({
      nodeId: node.textOrNull('nodeId'),
      address: node.text('address'),
      role: node.oneOf('role', ['master', 'replica', 'file']),
    })),
  };
}

/** An unreadable record is as good as none: the next one replaces it. */
async function newestTopology(repository: Repository, source: string, signal?: AbortSignal) {
  let object: string | undefined;
  for await (const info of repository.storage.list(topologyFolder(source), signal)) {
    if (isTopologyObject(source, info.name)) object = info.name;
  }
  if (object === undefined) return undefined;
  try {
    return { object, topology: await readTopology(repository, object, signal) };
  } catch (error) {
    if (!isCoded(error, 'REPOSITORY_CORRUPT', 'OBJECT_MISSING')) throw error;
    return { object, topology: undefined };
  }
}

function isSame(a: Topology | undefined, b: Topology): boolean {
  const order = (topology: Topology) => [topology.kind, topology.epoch, topology.shards.map(flat)];
  return a !== undefined && JSON.stringify(order(a)) === JSON.stringify(order(b));
}

function flat({ shard, serverShardId, slots, nodes }: TopologyShard) {
  return [shard, serverShardId, slots, nodes.map((node) => [node.nodeId, node.address, node.role])];
}

/** `…/20261122t123000123z.json` in Unix milliseconds. */
function timeOf(object: string, source: string): number {
  const time = object.slice(topologyFolder(source).length).toUpperCase();
  const [, y, mo, d, h, mi, s, ms] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})/.exec(
    time,
  ) as RegExpExecArray;
  return Date.parse(`${y}-${mo}-${d}T${h}:${mi}:${s}.${ms}Z`);
}
