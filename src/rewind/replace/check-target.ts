import { CodedError } from '../../base/index.ts';
import type { ServerIdentity } from '../../redis/index.ts';

/** A place where nobody listens: a server that follows it stays a replica, and read-only. */
export const NOWHERE = { host: '127.0.0.1', port: 1 } as const;

/** A target that failed in an earlier attempt, and was left as a replica of nobody. */
export function isHalfDone({ role, master }: ServerIdentity): boolean {
  return role === 'replica' && master?.host === NOWHERE.host && master.port === NOWHERE.port;
}

export type ReplacedData = {
  /** Of the base, and of the log where that is known. */
  readonly highestDatabase: number;
  /** How many databases the source has; null where nobody knows. */
  readonly databases: number | null;
  /** Raw bytes of the base. */
  readonly rawBytes: number;
};

export type TargetFindings = {
  /** Why it must not be done. */
  readonly refusal: { readonly why: string; readonly hint: string } | null;
  /** What should be known before; one sentence each. */
  readonly warnings: readonly string[];
};

/** Whether a server may be turned into another state of a whole instance. Pure. */
export function judgeReplacedTarget(
  identity: ServerIdentity,
  data: ReplacedData,
  clientNames: readonly string[],
): TargetFindings {
  const warnings: string[] = [];
  const refuse = (why: string, hint: string) => ({ refusal: { why, hint }, warnings });
  const { mode, role, replicas, databases, maxMemory, maxMemoryPolicy } = identity;
  if (identity.family === 'unknown' || identity.version === '' || role === null) {
    return refuse(
      'it does not tell its version and role',
      'Allow INFO for this user: ACL SETUSER <user> +info',
    );
  }
  if (mode === 'cluster') {
    return refuse('it is a node of a cluster', 'Restore key by key: without --replace-instance');
  }
  if (mode === 'sentinel') return refuse('it is a Sentinel', 'Name a server that holds data');
  if (role === 'replica' && !isHalfDone(identity)) {
    const master = identity.master === null ? '' : ` of ${identity.master.host}`;
    return refuse(`it is a replica${master}`, 'Name its master, or make it one: REPLICAOF NO ONE');
  }
  if ((replicas ?? []).some(({ port }) => port === 0)) {
    warnings.push('Something reads the target as a replica (a capture?): it will see a gap');
  }
  const attached = (replicas ?? []).filter(({ port }) => port !== 0);
  if (attached.length > 0) {
    const names = attached.map(({ host, port }) => `${host}:${port}`).join(', ');
    return refuse(
      `it has replicas (${names}), which would lose their data with it`,
      'Detach them first, each by REPLICAOF NO ONE',
    );
  }
  if (clientNames.some((name) => name.startsWith('sentinel-'))) {
    return refuse(
      'Sentinels watch it, and would undo the change of its role',
      'Take it out of their care first: SENTINEL REMOVE <name>',
    );
  }
  if (databases !== null && data.highestDatabase >= databases) {
    return refuse(
      `it has ${databases} databases, and the data uses number ${data.highestDatabase}`,
      `Start it with "databases ${data.highestDatabase + 1}" or more`,
    );
  }
  if (databases !== null && data.databases !== null && data.databases > databases) {
    warnings.push(
      `The source has ${data.databases} databases, the target ${databases}: a log that uses more ` +
        'is noticed only at the end',
    );
  }
  if (maxMemory !== null && maxMemory > 0) {
    const evicts = maxMemoryPolicy !== null && maxMemoryPolicy !== 'noeviction';
    if (evicts) warnings.push(`The target evicts keys (${maxMemoryPolicy}) once it is promoted`);
    if (data.rawBytes > maxMemory) {
      return refuse(
        `its maxmemory of ${maxMemory} bytes is less than the data (${data.rawBytes} bytes)`,
        'Raise maxmemory of the target',
      );
    }
  }
  return { refusal: null, warnings };
}

export function unsuitable(name: string, why: string, hint: string): CodedError {
  return new CodedError('TARGET_UNSUITABLE', `Cannot replace the instance ${name}: ${why}`, {
    hint,
  });
}
