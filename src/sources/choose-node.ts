import { CodedError } from '../base/index.ts';
import {
  connect,
  describeServer,
  displayAddress,
  type RedisAddress,
  type ReplicaInfo,
  type ServerIdentity,
  type TlsOptions,
} from '../redis/index.ts';

export type NodePreference = 'auto' | 'replica' | 'master';

/** Which node to read from, and why: kept in the manifest. */
export type NodeChoice = {
  readonly address: RedisAddress;
  /** `unknown` when the server does not tell us its role. */
  readonly role: 'master' | 'replica' | 'unknown';
  /** One sentence. */
  readonly why: string;
  readonly identity: ServerIdentity;
  /** Replicas that were looked at and not taken, with the reason. */
  readonly passedOver: readonly PassedOver[];
};

export type PassedOver = { readonly node: string; readonly why: string };

export type ChooseOptions = {
  readonly tls?: TlsOptions;
  /** A replica that has not acknowledged for longer is passed over. Default 10. */
  readonly maxLagSeconds?: number;
  /** For each node. Default 5,000. */
  readonly connectTimeoutMs?: number;
  readonly signal?: AbortSignal;
};

const DEFAULT_MAX_LAG_SECONDS = 10;
const MAX_CANDIDATES = 5;

/**
 * Chooses the node to read. `auto`: a healthy replica of the named master, which spares the master,
 * else the master; a replica that was named itself is taken as it is. `replica` insists on one
 * (REPLICA_UNAVAILABLE), `master` follows a named replica to its master. Replicas are reached at
 * the addresses that the master lists, with the same credentials and TLS. Throws what `connect`
 * throws for the named node; a replica that cannot be reached is passed over.
 */
export async function chooseNode(
  address: RedisAddress,
  preference: NodePreference,
  options: ChooseOptions = {},
): Promise<NodeChoice> {
  const identity = await identify(address, options);
  const role = identity.role ?? 'unknown';
  const named: NodeChoice = { address, role, why: '', identity, passedOver: [] };
  if (role === 'unknown') {
    if (preference !== 'replica') {
      return { ...named, why: 'The server does not tell its role or replicas (no right to INFO)' };
    }
    throw unavailable(address, 'the server does not tell its role or replicas (no right to INFO)');
  }
  if (role === 'replica') {
    if (preference !== 'master') return { ...named, why: 'The named server is a replica itself' };
    return followMaster(named, options);
  }
  if (preference === 'master') return { ...named, why: 'The master was asked for' };
  const { found, passedOver } = await findReplica(named, options);
  if (found) return { ...found, passedOver };
  const why =
    passedOver.length === 0
      ? 'The master lists no replicas'
      : `No replica is fit to be read: ${passedOver.map((p) => `${p.node} ${p.why}`).join('; ')}`;
  if (preference === 'replica') throw unavailable(address, why);
  return { ...named, why, passedOver };
}

async function followMaster(named: NodeChoice, options: ChooseOptions): Promise<NodeChoice> {
  const { master } = named.identity;
  if (master === null) throw unavailable(named.address, 'the replica does not name its master');
  const address = atNode(named.address, master.host, master.port);
  const identity = await identify(address, options);
  const why = `The master was asked for; ${displayAddress(named.address)} names it`;
  return { address, role: identity.role ?? 'unknown', why, identity, passedOver: [] };
}

/** Tries the replicas in the order of their offsets, the most recent first. */
async function findReplica(
  master: NodeChoice,
  options: ChooseOptions,
): Promise<{ readonly found: NodeChoice | null; readonly passedOver: PassedOver[] }> {
  const passedOver: PassedOver[] = [];
  const replicas = [...(master.identity.replicas ?? [])].sort((a, b) => b.offset - a.offset);
  let tried = 0;
  for (const replica of replicas) {
    const node = `${replica.host}:${replica.port}`;
    const listedWhy = unfitAsListed(replica, options.maxLagSeconds ?? DEFAULT_MAX_LAG_SECONDS);
    if (listedWhy !== null) {
      passedOver.push({ node, why: listedWhy });
      continue;
    }
    if (tried++ === MAX_CANDIDATES) break;
    const address = atNode(master.address, replica.host, replica.port);
    try {
      const identity = await identify(address, options);
      const why = unfitAsSeen(identity, master.identity);
      if (why === null) {
        const said = `${node} is a healthy replica, which spares the master`;
        return {
          found: { address, role: 'replica', why: said, identity, passedOver: [] },
          passedOver,
        };
      }
      passedOver.push({ node, why });
    } catch (error) {
      if (!(error instanceof CodedError) || error.code === 'INTERRUPTED') throw error;
      passedOver.push({ node, why: `cannot be used (${error.message})` });
    }
  }
  return { found: null, passedOver };
}

/** Why the master's own list speaks against a replica, or null. */
export function unfitAsListed(replica: ReplicaInfo, maxLagSeconds: number): string | null {
  // Port 0 is a reader like ourselves, which nobody can connect to.
  if (replica.port === 0) return 'listens nowhere';
  if (replica.state !== 'online') return `is in state ${replica.state}`;
  if (replica.lagSeconds > maxLagSeconds) return `lags ${replica.lagSeconds} s behind`;
  return null;
}

/** Why what the node says of itself speaks against it, or null. */
export function unfitAsSeen(identity: ServerIdentity, master: ServerIdentity): string | null {
  if (identity.role !== 'replica') return 'does not say that it is a replica';
  if (identity.loading === true) return 'is loading its data';
  if (identity.master?.linkUp !== true) return 'has lost the link to its master';
  if (identity.replid !== master.replid) return 'follows another history';
  return null;
}

function atNode(address: RedisAddress, host: string, port: number): RedisAddress {
  const scheme = address.scheme === 'unix' ? 'redis' : address.scheme;
  return { ...address, scheme, host, port, path: null };
}

async function identify(address: RedisAddress, options: ChooseOptions): Promise<ServerIdentity> {
  const conn = await connect(address, {
    ...(options.tls && { tls: options.tls }),
    ...(options.signal && { signal: options.signal }),
    ...(options.connectTimeoutMs !== undefined && { connectTimeoutMs: options.connectTimeoutMs }),
  });
  try {
    return await describeServer(conn);
  } finally {
    conn.close();
  }
}

function unavailable(address: RedisAddress, why: string): CodedError {
  const message = `Cannot read a replica of ${displayAddress(address)}: ${why}`;
  return new CodedError('REPLICA_UNAVAILABLE', message);
}
