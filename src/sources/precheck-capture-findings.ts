import { infoNumber } from '../redis/index.ts';
import type { NodeChoice } from './choose-node.ts';
import { error, type Finding, ok, warning } from './finding.ts';
import type { AckMode } from './precheck-capture.ts';
import {
  databases,
  forkMemory,
  knowsRdbOnly,
  mebibytes,
  MIN_BACKLOG_SECONDS,
  modules,
  type PrecheckFacts,
  replicaRight,
  replTimeout,
  saving,
  state,
  transfer,
  transport,
  version,
} from './precheck-findings.ts';
import type { CommandNames } from './replication-options.ts';

/** How fast the history grows; an upper bound where the server keeps none yet. */
export type Growth = { readonly bytesPerSecond: number; readonly isUpperBound: boolean };

/** What was learnt, for the pure rules below. */
export type CaptureFacts = PrecheckFacts & {
  readonly choice: NodeChoice;
  readonly commandNames: CommandNames;
  /** Calls of WAIT and WAITAOF; null where nobody may know. */
  readonly waits: number | null;
  readonly growth: Growth | null;
  /** Null: nobody chose. */
  readonly ack: AckMode | null;
};

const GIB = 1 << 30;
const MIN_BACKLOG_TTL_SECONDS = 3600;
const MIN_FREE_CLIENTS = 16;
/** Without a measure, a source is expected to write as much as this. */
const MIN_BUFFER_BYTES = 64 << 20;
/** Silence of a master's link after which its replica is no good source. */
const MAX_LINK_SILENCE_SECONDS = 30;

/** Every rule, in the order in which people read them. */
export function judgeCapture(facts: CaptureFacts): Finding[] {
  return [
    ...rights(facts),
    renamed(facts),
    knownVersion(facts),
    topology(facts),
    transport(facts),
    node(facts),
    link(facts),
    method(facts),
    acknowledgement(facts),
    minReplicas(facts),
    failover(facts),
    backlog(facts),
    backlogTtl(facts),
    backlogMemory(facts),
    outputBuffer(facts),
    replTimeout(facts),
    forkMemory(facts),
    saving(facts),
    transfer(facts),
    clients(facts),
    scripts(facts),
    databases(facts),
    modules(facts),
  ].filter((finding) => finding !== null);
}

type NeededRight = {
  readonly id: string;
  readonly command: string;
  readonly right: string;
  readonly without: string;
};

/** What a capture can do without, and what is lost. */
const OPTIONAL_RIGHTS: readonly NeededRight[] = [
  {
    id: 'source.info-right',
    command: 'INFO',
    right: '+info',
    without: 'a shutdown of the source may wait for us, and lag and failovers are not seen',
  },
  {
    id: 'source.config-right',
    command: 'CONFIG GET',
    right: '+config|get',
    without: 'buffers, timeouts and min-replicas-to-write cannot be checked',
  },
  {
    id: 'capture.time-right',
    command: 'TIME',
    right: '+time',
    without: 'instants are told by our clock alone',
  },
];

/** Each missing right comes with the one ACL line that gives all of them. */
function rights(facts: CaptureFacts): Finding[] {
  const { forbidden } = facts.identity;
  const missing = [
    facts.rights.psync === 'no' ? '+psync' : null,
    facts.rights.replconf === 'no' ? '+replconf' : null,
    forbidden.includes('PING') ? '+ping' : null,
    ...OPTIONAL_RIGHTS.map(({ command, right }) => (forbidden.includes(command) ? right : null)),
  ].filter((right) => right !== null);
  const line = `ACL SETUSER ${facts.address.user ?? 'default'} ${missing.join(' ')}`;
  const optional = OPTIONAL_RIGHTS.map(({ id, command, without }) =>
    forbidden.includes(command)
      ? warning(id, `${command} is forbidden: ${without}`, line)
      : ok(id, `${command} may be used`),
  );
  return [
    replicaRight('psync', facts, line),
    replicaRight('replconf', facts, line),
    forbidden.includes('PING')
      ? error('capture.ping-right', 'The user has no right to PING', line)
      : ok('capture.ping-right', 'PING is allowed'),
    ...optional,
  ];
}

function renamed({ commandNames }: CaptureFacts): Finding | null {
  const { psync } = commandNames;
  if (psync === undefined || psync.toUpperCase() === 'PSYNC') return null;
  return error(
    'capture.renamed',
    `A PSYNC renamed to ${psync} sends no history: the server takes it for the older SYNC`,
    'Remove the rename-command of PSYNC, or take backups only',
  );
}

function knownVersion(facts: CaptureFacts): Finding {
  const { family, version: text, versionNumber } = facts.identity;
  const found = version(facts);
  if (found.level !== 'ok') return found;
  if (versionNumber[0] < 4) {
    const message = `${family} ${text} has no history that survives a failover or a restart`;
    return error(found.id, message, 'Upgrade to 4.0 or newer, or take backups only');
  }
  if (family !== 'valkey' || versionNumber[0] < 9) return found;
  const message = `${found.message}; we announce its version, so that field expiries are sent`;
  return ok(found.id, message);
}

function topology(facts: CaptureFacts): Finding {
  if (facts.identity.mode !== 'cluster') return state(facts);
  const text = 'This is one node of a cluster, which cannot be captured yet';
  return error('source.state', text, 'Take backups of every master of the cluster');
}

function isMaster({ choice }: CaptureFacts): boolean {
  return choice.role !== 'replica';
}

function node({ choice }: CaptureFacts): Finding {
  const id = 'capture.node';
  if (choice.role === 'unknown') {
    return warning(id, `${choice.why}: a replica would spare it`, 'Allow INFO, or name a replica');
  }
  const role = choice.role === 'master' ? 'The master' : 'A replica';
  const text = `${role} would be followed: ${choice.why}`;
  if (choice.role === 'replica' || choice.passedOver.length === 0) return ok(id, text);
  return warning(id, text, 'Mend a replica: what the master promises is untouched there');
}

/** Of a replica: how alive the link to its master is, as its silence is ours. */
function link({ identity, choice }: CaptureFacts): Finding | null {
  const id = 'capture.replica-link';
  if (choice.role !== 'replica' || identity.master?.linkUp !== true) return null;
  if (identity.info['master_sync_in_progress'] === '1') {
    const text = 'The replica is being filled by its master and would drop us when it is done';
    return error(id, text, 'Wait until it has finished');
  }
  const silence = infoNumber(identity.info, 'master_last_io_seconds_ago');
  if (silence === null || silence <= MAX_LINK_SILENCE_SECONDS) {
    return ok(id, 'The replica hears its master');
  }
  const text = `The replica has heard nothing from its master for ${silence} s: its log would lag`;
  return warning(id, text, 'Check the network between them, or name another node');
}

/** How the log begins, and what full backups beside it cost. */
function method({ identity }: CaptureFacts): Finding {
  const id = 'capture.method';
  if (knowsEmptyFilter(identity)) {
    return ok(
      id,
      'The log begins without a transfer; full backups come on a connection of their own',
    );
  }
  const text = 'The log begins with a full transfer on the same connection';
  if (knowsRdbOnly(identity)) return ok(id, `${text}; later backups come on another`);
  return ok(id, `${text}, and every full backup is one more`);
}

/** Whether the server can begin the stream with an empty RDB (`rdb-filter-only ""`). */
function knowsEmptyFilter({ family, versionNumber }: CaptureFacts['identity']): boolean {
  return family === 'valkey' || (family === 'redis' && versionNumber[0] >= 7);
}

/** WAIT and WAITAOF promise copies; whether ours is one of them somebody must have decided. */
function acknowledgement(facts: CaptureFacts): Finding | null {
  const id = 'capture.wait';
  if (!isMaster(facts)) return null;
  if (facts.waits === null) {
    const text = 'Whether anybody uses WAIT cannot be seen (INFO is forbidden)';
    return facts.ack === null
      ? warning(id, text, 'Allow INFO, or choose --ack durable, stored or none')
      : ok(id, `${text}; ${ACK_MEANS[facts.ack]}`);
  }
  if (facts.waits === 0) return ok(id, 'Nobody has used WAIT or WAITAOF');
  const text = `WAIT or WAITAOF was called ${facts.waits} times`;
  if (facts.ack !== null) return ok(id, `${text}; ${ACK_MEANS[facts.ack]}`);
  return error(
    id,
    `${text}: our acknowledgements would count in its answers`,
    'Choose --ack durable, stored or none, or capture a replica (--from replica)',
  );
}

const ACK_MEANS: Readonly<Record<AckMode, string>> = {
  durable: 'it will count us once a write is on our disk',
  stored: 'it will count us once a write is in the repository',
  none: 'it will never count us',
};

/** The master counts every replica that is heard from, whatever it acknowledges. */
function minReplicas(facts: CaptureFacts): Finding | null {
  const id = 'capture.min-replicas';
  if (!isMaster(facts)) return null;
  const { config } = facts;
  const wanted = Number(config['min-replicas-to-write'] ?? config['min-slaves-to-write']);
  if (!Number.isSafeInteger(wanted)) return null;
  const maxLag = Number(config['min-replicas-max-lag'] ?? config['min-slaves-max-lag'] ?? 10);
  if (wanted === 0 || maxLag === 0) return ok(id, 'min-replicas-to-write is not used');
  const text = `min-replicas-to-write is ${wanted}, and we would count as a good replica`;
  const remedy = `CONFIG SET min-replicas-to-write ${wanted + 1}, or capture a replica`;
  if (facts.ack !== null) return warning(id, text, remedy);
  return error(id, text, `${remedy} (--from replica); --ack accepts it`);
}

/** We never acknowledge everything, so that a plain FAILOVER cannot choose us: it waits. */
function failover(facts: CaptureFacts): Finding | null {
  const id = 'capture.failover';
  const { identity } = facts;
  if (!isMaster(facts) || identity.replicas === null || !knowsRdbOnly(identity)) return null;
  const others = identity.replicas.filter(({ port }) => port !== 0);
  if (others.length > 0) return ok(id, 'FAILOVER has other replicas to choose from');
  return warning(
    id,
    'This master has no other replica: a FAILOVER would wait for us for ever, writes paused',
    'Never run FAILOVER without TIMEOUT while it is captured (FAILOVER ABORT ends it)',
  );
}

function backlogSize({ identity, config }: CaptureFacts): number | null {
  const size =
    infoNumber(identity.info, 'repl_backlog_size') ?? Number(config['repl-backlog-size']);
  return Number.isSafeInteger(size) && size > 0 ? size : null;
}

function backlog(facts: CaptureFacts): Finding | null {
  const id = 'source.backlog';
  const size = backlogSize(facts);
  if (size === null) return null;
  const { growth } = facts;
  const holds = `The backlog holds ${mebibytes(size)}`;
  if (growth === null) return ok(id, `${holds}; how long that lasts cannot be measured`);
  // Our own look is most of what an idle server receives.
  if (growth.bytesPerSecond < (growth.isUpperBound ? 2048 : 1)) {
    return ok(id, `${holds}; hardly anything is written now`);
  }
  const seconds = Math.floor(size / growth.bytesPerSecond);
  const least = growth.isUpperBound ? 'at least ' : '';
  const covered = `The backlog of ${mebibytes(size)} covers ${least}${seconds} s of present writes`;
  if (seconds >= MIN_BACKLOG_SECONDS) return ok(id, covered);
  const wanted = Math.ceil((growth.bytesPerSecond * MIN_BACKLOG_SECONDS * 2) / (1 << 20));
  const remedy = `CONFIG SET repl-backlog-size ${wanted}mb`;
  return warning(id, `${covered}: a longer break of the capture is a gap`, remedy);
}

function backlogTtl(facts: CaptureFacts): Finding | null {
  const id = 'capture.backlog-ttl';
  const { config, identity } = facts;
  const seconds = Number(config['repl-backlog-ttl'] ?? Number.NaN);
  // Replicas keep their backlog whoever leaves.
  if (!isMaster(facts) || !Number.isSafeInteger(seconds)) return null;
  if (seconds === 0) return ok(id, 'The backlog is kept for ever, also without a replica');
  const text = `Without a replica the history is thrown away after ${seconds} s`;
  const hasOthers = identity.replicas?.some(({ port }) => port !== 0) === true;
  if (hasOthers || seconds >= MIN_BACKLOG_TTL_SECONDS) return ok(id, text);
  const remedy = `CONFIG SET repl-backlog-ttl ${MIN_BACKLOG_TTL_SECONDS}`;
  return warning(id, `${text}: a longer break of the capture is a gap`, remedy);
}

/** The first replica has the server make its backlog, which counts as used memory. */
function backlogMemory(facts: CaptureFacts): Finding | null {
  const { identity } = facts;
  const size = backlogSize(facts);
  const { usedMemory, maxMemory } = identity;
  if (identity.info['repl_backlog_active'] !== '0' || size === null) return null;
  if (usedMemory === null || maxMemory === null || maxMemory === 0) return null;
  const id = 'capture.memory';
  if (usedMemory + size <= maxMemory) return ok(id, 'maxmemory leaves room for the backlog');
  const wanted = Math.ceil((usedMemory + size) / (1 << 20));
  const text = `The backlog that our link begins takes ${mebibytes(size)}, more than maxmemory leaves`;
  const remedy = `CONFIG SET maxmemory ${wanted}mb, so that no key is evicted for it`;
  return warning(id, text, remedy);
}

/** We read at once, so only a transfer on the same connection lets the buffer grow. */
function outputBuffer({ identity, config, growth }: CaptureFacts): Finding | null {
  const id = 'source.output-buffer';
  const limits = config['client-output-buffer-limit'];
  const found = /(?:slave|replica) (\d+) (\d+) (\d+)/.exec(limits ?? '');
  if (found === null) return null;
  const [hard, soft] = [Number(found[1]), Number(found[2])];
  if (hard === 0 && soft === 0) return ok(id, 'The output buffer of replicas is not limited');
  const limit = Math.min(hard || Number.POSITIVE_INFINITY, soft || Number.POSITIVE_INFINITY);
  const text = `The server drops us once ${mebibytes(limit)} of writes wait for us`;
  // Ten seconds of writes in which we, or the network, stand still.
  const stall = (growth?.bytesPerSecond ?? 0) * 10;
  const needed = knowsEmptyFilter(identity) ? Math.max(MIN_BUFFER_BYTES, stall) : GIB;
  if ((knowsEmptyFilter(identity) ? limit : hard || soft) >= needed) return ok(id, text);
  const size = Math.ceil(needed / (1 << 20));
  const remedy = `CONFIG SET client-output-buffer-limit 'replica ${size}mb ${size}mb 300'`;
  return warning(id, text, remedy);
}

function clients({ identity, config }: CaptureFacts): Finding | null {
  const id = 'capture.clients';
  const connected = infoNumber(identity.info, 'connected_clients');
  const most = infoNumber(identity.info, 'maxclients') ?? Number(config['maxclients']);
  if (connected === null || !Number.isSafeInteger(most)) return null;
  const text = `${connected} of at most ${most} clients are connected`;
  if (most - connected >= MIN_FREE_CLIENTS) return ok(id, text);
  return warning(id, `${text}: we need up to four more`, `CONFIG SET maxclients ${most + 100}`);
}

/** A script that is sent as it is can be replayed exactly only by its own version. */
function scripts({ identity, config }: CaptureFacts): Finding | null {
  const id = 'capture.scripts';
  const { family, version: text, versionNumber } = identity;
  if (text === '' || versionNumber[0] >= 7 || family === 'valkey') {
    return text === '' ? null : ok(id, 'Scripts are recorded by their effects');
  }
  const edge = `replayed exactly only by ${family} ${versionNumber[0]}.x`;
  if (versionNumber[0] < 5) {
    return warning(
      id,
      `Scripts are recorded as they are and ${edge}`,
      'Call redis.replicate_commands() first in every script that writes, or upgrade to 5.0',
    );
  }
  if (config['lua-replicate-commands'] !== 'no') {
    return ok(id, 'Scripts are recorded by their effects');
  }
  const message = `lua-replicate-commands is off: scripts are recorded as they are and ${edge}`;
  return warning(id, message, 'CONFIG SET lua-replicate-commands yes');
}
