import type { CodedError } from '../base/index.ts';
import { infoNumber, type RedisAddress, type ServerIdentity } from '../redis/index.ts';
import { error, type Finding, ok, warning } from './finding.ts';
import type { Rights } from './precheck-rights.ts';

/** What was learnt, for the pure rules below. */
export type PrecheckFacts = {
  readonly address: RedisAddress;
  readonly mode: 'psync' | 'scan' | 'auto';
  readonly identity: ServerIdentity;
  readonly rights: Rights;
  /** Why keys cannot be read one by one (SCAN); null: they can. */
  readonly scan: CodedError | null;
  /** CONFIG parameters by name; empty when forbidden. */
  readonly config: Readonly<Record<string, string>>;
  /** Bytes per second that the history grew while we looked; `null` when unknown. */
  readonly writeRate: number | null;
  readonly rateBytesPerSecond: number | null;
};

const GIB = 1 << 30;
/** Redis 8 lists its own vector sets among the modules, Valkey 9 its Lua engine. */
const BUILT_IN = new Set(['vectorset', 'lua']);
export const MIN_BACKLOG_SECONDS = 600;
const MIN_REPL_TIMEOUT_SECONDS = 30;

/** Every rule, in the order in which people read them. */
export function judgeSource(facts: PrecheckFacts): Finding[] {
  const isReplica = readsByPsync(facts);
  return [
    ...rights(facts),
    readingMode(facts),
    version(facts),
    state(facts),
    transport(facts),
    ...(isReplica ? replication(facts) : []),
    databases(facts),
    modules(facts),
    ...(isReplica ? rateLimit(facts) : []),
  ].filter((finding) => finding !== null);
}

/** What matters to a reader who attaches as a replica, and to no other. */
function replication(facts: PrecheckFacts): (Finding | null)[] {
  return [
    forkMemory(facts),
    saving(facts),
    transfer(facts),
    outputBuffer(facts),
    replTimeout(facts),
    backlog(facts),
  ];
}

/** Whether a backup would attach as a replica, as far as can be told; so it would try to. */
function readsByPsync({ mode, rights: { psync, replconf }, scan }: PrecheckFacts): boolean {
  if (mode !== 'auto') return mode === 'psync';
  const isForbidden = [psync, replconf].some((right) => right === 'no' || right === 'hidden');
  return !isForbidden || scan !== null;
}

/** How a backup would read: whether it is of one instant depends on it. */
function readingMode(facts: PrecheckFacts): Finding {
  const id = 'source.mode';
  const { mode, scan, address } = facts;
  if (readsByPsync(facts)) {
    return ok(id, 'A backup would attach as a replica (PSYNC) and be of one instant');
  }
  if (scan !== null) return error(id, scan.message, scan.hint);
  const text = 'A backup would read key by key (SCAN, DUMP) and not be of one instant';
  if (mode === 'scan') return ok(id, text);
  return warning(id, text, psyncAclLine(address));
}

function psyncAclLine({ user }: RedisAddress): string {
  return `ACL SETUSER ${user ?? 'default'} +psync +replconf +ping, where the server allows it`;
}

/** Missing rights come with the one ACL line that gives all of them. */
function rights(facts: PrecheckFacts): Finding[] {
  const { identity } = facts;
  const isThrottled = facts.rateBytesPerSecond !== null && readsByPsync(facts);
  const missing: string[] = [];
  if (facts.mode !== 'scan' && facts.rights.psync === 'no') missing.push('+psync');
  if (facts.mode !== 'scan' && facts.rights.replconf === 'no') missing.push('+replconf');
  if (identity.forbidden.includes('INFO')) missing.push('+info');
  if (identity.forbidden.includes('CONFIG GET')) missing.push('+config|get');
  const line = `ACL SETUSER ${facts.address.user ?? 'default'} ${missing.join(' ')}`;
  const isReplicaNeeded = facts.mode !== 'scan';
  const findings = isReplicaNeeded
    ? [replicaRight('psync', facts, line), replicaRight('replconf', facts, line)]
    : [];
  const info = 'source.info-right';
  if (!missing.includes('+info')) findings.push(ok(info, 'INFO may be read'));
  else if (isThrottled) {
    findings.push(error(info, 'INFO is forbidden, and a limited rate needs it', line));
  } else {
    const text = 'INFO is forbidden: role, replicas, memory and state cannot be checked';
    findings.push(warning(info, text, line));
  }
  const config = 'source.config-right';
  if (!missing.includes('+config|get')) findings.push(ok(config, 'CONFIG may be read'));
  else {
    const text = 'CONFIG GET is forbidden: buffers and timeouts cannot be checked or recorded';
    findings.push(warning(config, text, line));
  }
  return findings;
}

export function replicaRight(
  name: 'psync' | 'replconf',
  facts: PrecheckFacts,
  line: string,
): Finding {
  const id = `source.${name}-right`;
  const command = name.toUpperCase();
  // Where SCAN takes its place, a missing right costs the one instant and not the backup.
  const bad = readsByPsync(facts) ? error : warning;
  switch (facts.rights[name]) {
    case 'yes':
      return ok(id, `${command} is allowed`);
    case 'no':
      return bad(id, `The user has no right to ${command}`, line);
    case 'hidden':
      return bad(
        id,
        `The server does not know ${command}: a managed service, a proxy, or rename-command`,
        'Give the renamed command, read by SCAN (--mode scan), or import an RDB file',
      );
    default:
      return warning(id, `Whether ${command} is allowed cannot be tested`, 'Try a backup');
  }
}

export function version({ identity }: PrecheckFacts): Finding {
  const id = 'source.version';
  const [major, minor] = identity.versionNumber;
  const name = `${identity.family} ${identity.version}`;
  if (identity.version === '') {
    return warning(id, 'The server does not tell its version', 'Allow INFO or HELLO');
  }
  if (major < 2 || (major === 2 && minor < 8)) {
    return error(id, `${name} has no PSYNC`, 'Upgrade to 2.8 or newer, or import its RDB file');
  }
  return ok(id, `The server is ${name}`);
}

export function state({ identity }: PrecheckFacts): Finding {
  const id = 'source.state';
  if (identity.mode === 'sentinel') {
    return error(
      id,
      'This is a Sentinel: it holds no data',
      'Name its master: sentinel://host:port/name',
    );
  }
  if (identity.loading === true) {
    return error(id, 'The server is loading its data', 'Wait until it has finished');
  }
  if (identity.master?.linkUp === false) {
    const text = 'This replica has lost its master and would refuse us';
    return error(id, text, 'Restore its link, or name another node');
  }
  if (identity.mode === 'cluster') {
    const text = 'This is one node of a cluster: it holds only its own slots';
    return warning(id, text, 'Back up every master of the cluster');
  }
  if (identity.role === null) {
    return warning(id, 'The server does not tell its role', 'Allow INFO');
  }
  return ok(id, `The server is a ${identity.role} and ready`);
}

export function transport({ address }: PrecheckFacts): Finding {
  const id = 'source.tls';
  if (address.tls) return ok(id, 'The connection is encrypted and the certificate verified');
  const isLocal = address.path !== null || /^(localhost|127\.|::1$)/.test(address.host);
  if (isLocal) return ok(id, 'The connection stays on this machine');
  const text = 'The connection is not encrypted: password and data can be read on the way';
  return warning(id, text, 'Use the TLS port of the server: rediss://');
}

export function forkMemory({ identity }: PrecheckFacts): Finding | null {
  const id = 'source.fork-memory';
  const { usedMemory, systemMemory } = identity;
  if (usedMemory === null || systemMemory === null || systemMemory === 0) return null;
  const share = Math.round((usedMemory / systemMemory) * 100);
  const text = `The data takes ${share} % of the machine's memory`;
  if (share <= 50) return ok(id, `${text}; a snapshot may need up to as much again`);
  return warning(
    id,
    `${text}: a snapshot under heavy writing may need more than there is`,
    'Read a replica, choose a quiet hour, and set vm.overcommit_memory to 1 at the source',
  );
}

export function saving({ identity }: PrecheckFacts): Finding | null {
  const id = 'source.bgsave';
  if (identity.bgsaveInProgress === null) return null;
  if (identity.lastBgsaveOk === false) {
    const text = 'The last background save of the server failed';
    return warning(id, text, 'Check its log, disk and memory: our snapshot may fail as well');
  }
  if (identity.bgsaveInProgress) {
    return warning(id, 'A background save is running: we would wait for it', 'Wait until it ends');
  }
  return ok(id, 'No background save is running, and the last one succeeded');
}

export function transfer({ config }: PrecheckFacts): Finding | null {
  const id = 'source.transfer';
  const diskless = config['repl-diskless-sync'];
  if (diskless === undefined) return null;
  if (diskless === 'yes') {
    const delay = config['repl-diskless-sync-delay'] ?? '5';
    return ok(id, `The snapshot comes without touching the disk, ${delay} s after we ask`);
  }
  return warning(
    id,
    'The server writes the snapshot to its own disk first: it needs the space there',
    'CONFIG SET repl-diskless-sync yes',
  );
}

/** From 6.2 on we ask for the RDB alone: nothing is buffered for us. */
export function knowsRdbOnly(identity: ServerIdentity): boolean {
  const [major, minor] = identity.versionNumber;
  return identity.family === 'valkey' || major > 6 || (major === 6 && minor >= 2);
}

function outputBuffer({ identity, config }: PrecheckFacts): Finding | null {
  const id = 'source.output-buffer';
  if (knowsRdbOnly(identity)) return ok(id, 'The server buffers nothing for us during a backup');
  const limits = config['client-output-buffer-limit'];
  const replica = /(?:slave|replica) (\d+) (\d+) (\d+)/.exec(limits ?? '');
  if (!replica) return null;
  const [hard, soft] = [Number(replica[1]), Number(replica[2])];
  if (hard === 0 && soft === 0) return ok(id, 'The output buffer of replicas is not limited');
  const text = `The server drops us once ${mebibytes(soft || hard)} of writes wait for us`;
  if ((hard || soft) >= GIB) return ok(id, text);
  return warning(
    id,
    text,
    "Read a replica, or CONFIG SET client-output-buffer-limit 'replica 1gb 512mb 300'",
  );
}

export function replTimeout({ config }: PrecheckFacts): Finding | null {
  const id = 'source.repl-timeout';
  const seconds = Number(config['repl-timeout']);
  if (!Number.isSafeInteger(seconds)) return null;
  if (seconds >= MIN_REPL_TIMEOUT_SECONDS) {
    return ok(id, `A silent replica is dropped after ${seconds} s`);
  }
  const text = `A replica that is silent for ${seconds} s is dropped: a short hiccup ends a backup`;
  return warning(id, text, 'CONFIG SET repl-timeout 60');
}

function backlog({ identity, config, writeRate }: PrecheckFacts): Finding | null {
  const id = 'source.backlog';
  const size =
    infoNumber(identity.info, 'repl_backlog_size') ?? Number(config['repl-backlog-size']);
  if (!Number.isSafeInteger(size)) return null;
  if (writeRate === null) {
    return ok(id, `The backlog holds ${mebibytes(size)}; how long that lasts is not known yet`);
  }
  if (writeRate === 0)
    return ok(id, `The backlog holds ${mebibytes(size)}; nothing is written now`);
  const seconds = Math.floor(size / writeRate);
  const text = `The backlog of ${mebibytes(size)} covers ${seconds} s of the present writes`;
  if (seconds >= MIN_BACKLOG_SECONDS) return ok(id, text);
  const wanted = Math.ceil((writeRate * MIN_BACKLOG_SECONDS * 2) / (1 << 20));
  return warning(
    id,
    `${text}: a longer break of a capture is a gap`,
    `CONFIG SET repl-backlog-size ${wanted}mb`,
  );
}

export function databases({ identity }: PrecheckFacts): Finding | null {
  if (identity.keys === null) return null;
  const used = Object.entries(identity.keys);
  const keys = used.reduce((sum, [, count]) => sum + count, 0);
  const of = identity.databases === null ? '' : ` of ${identity.databases}`;
  const memory =
    identity.usedMemory === null ? '' : `, ${mebibytes(identity.usedMemory)} of memory`;
  return ok('source.data', `${keys} keys in ${used.length}${of} databases${memory}`);
}

export function modules({ identity }: PrecheckFacts): Finding | null {
  const id = 'source.modules';
  if (identity.modules === null) return null;
  const added = identity.modules.map((module) => module.name).filter((n) => !BUILT_IN.has(n));
  if (added.length === 0) return ok(id, 'No modules are loaded');
  const names = added.join(', ');
  return warning(
    id,
    `Modules are loaded (${names}): their values are kept as they are and shown undecoded`,
    'Restore them to a server with the same modules',
  );
}

function rateLimit({ identity, rateBytesPerSecond }: PrecheckFacts): Finding[] {
  if (rateBytesPerSecond === null) return [];
  const { usedMemory } = identity;
  if (usedMemory === null) return [];
  const seconds = Math.ceil(usedMemory / rateBytesPerSecond);
  const text = `At this rate the source's child lives up to about ${seconds} s`;
  const remedy = 'Raise the rate, read a replica, or pass --spool';
  return [seconds <= 600 ? ok('source.rate', text) : warning('source.rate', text, remedy)];
}

export function mebibytes(bytes: number): string {
  return `${Math.round((bytes / (1 << 20)) * 10) / 10} MiB`;
}
