import { CodedError, isCoded } from '../base/index.ts';
import type { EntrySelection } from '../entries/index.ts';
import type { ReadingFacts, ShardFacts } from '../repository/index.ts';
import {
  chooseNode,
  type NodeChoice,
  openReplication,
  openScan,
  type RdbByteSource,
  type ReplicationStream,
  type ScanCounts,
  type ScanStream,
  SpooledRdb,
} from '../sources/index.ts';
import { displayAddress, type RedisAddress } from '../redis/index.ts';
import type { BackupProgress, BackupRequest } from './requests.ts';

export type ReadingSetup = {
  readonly request: BackupRequest;
  /** The server that was named: a master that Sentinels found, or what the request says. */
  readonly address: RedisAddress;
  readonly node: NodeChoice;
  readonly selection: EntrySelection;
  readonly notice: (text: string) => void;
  readonly report: (progress: Partial<BackupProgress>) => void;
};

/** A live server whose RDB is about to flow, and what a manifest says of how it came. */
export type Reading = {
  readonly source: RdbByteSource;
  readonly node: NodeChoice;
  readonly consistency: 'point-in-time' | 'fuzzy';
  readonly snapshotAtMs: number;
  /** Bytes of the RDB, where they are known. */
  readonly length: number | null;
  readonly replication: ShardFacts['replication'];
  /** Complete when the source has ended. */
  readonly facts: () => ReadingFacts;
  /** What happened to single keys; only where they were read one by one. */
  readonly counts: (() => ScanCounts) | null;
};

/**
 * Opens the node in the mode that was asked for. `auto` reads by SCAN only where the server will
 * never serve a replica; one that merely cannot now is an error, as a backup of one instant is
 * worth waiting for. Throws what `openReplication` and `openScan` throw; PSYNC_FORBIDDEN names the
 * ways out.
 */
export async function openReading(setup: ReadingSetup): Promise<Reading> {
  const { mode = 'auto' } = setup.request;
  if (mode === 'scan') return await openByScan(setup, null);
  try {
    return await openByPsync(setup);
  } catch (error) {
    if (!isForbidden(error)) throw error;
    if (mode === 'psync') throw withWaysOut(error, setup);
    return await openByScanInstead(setup, error);
  }
}

async function openByScanInstead(setup: ReadingSetup, refused: CodedError): Promise<Reading> {
  let reading: Reading;
  try {
    reading = await openByScan(setup, refused.message);
  } catch (error) {
    if (!isCoded(error, 'NOPERM', 'SOURCE_UNSUPPORTED')) throw error;
    const message = `${refused.message}; and reading by SCAN: ${error.message}`;
    throw new CodedError('PSYNC_FORBIDDEN', message, {
      hint: `${withWaysOut(refused, setup).hint}. ${error.hint}`,
      cause: error,
    });
  }
  setup.notice(
    `${refused.message}; reading key by key with SCAN instead: the backup is not of one instant`,
  );
  return reading;
}

/** Whether PSYNC will not work however often it is tried. */
function isForbidden(error: unknown): error is CodedError {
  if (isCoded(error, 'PSYNC_FORBIDDEN', 'SOURCE_GARBAGE')) return true;
  // Proxies and lookalikes refuse in words of their own.
  const words =
    /not (supported|allowed|permitted|implemented)|unsupported|disabled|invalid command/i;
  return isCoded(error, 'PSYNC_REFUSED') && words.test(error.message);
}

function withWaysOut(error: CodedError, { request }: ReadingSetup): CodedError {
  const user = request.address.user ?? 'default';
  return new CodedError('PSYNC_FORBIDDEN', error.message, {
    hint:
      `Allow it (ACL SETUSER ${user} +psync +replconf +ping; --psync-as where it was renamed), ` +
      'read key by key (--mode scan), or import an RDB file (tidemark import)',
    cause: error,
  });
}

async function openByPsync(setup: ReadingSetup): Promise<Reading> {
  const { node, stream } = await attachToNode(setup);
  const { replid, offset, length, snapshotAtMs } = stream.origin;
  return {
    source: spooled(setup, stream),
    node,
    consistency: 'point-in-time',
    snapshotAtMs,
    length,
    replication: replid === null || offset === null ? null : { replid, offset },
    facts: () => ({ mode: 'psync', why: null, vanished: 0, changed: 0, duplicates: 0 }),
    counts: null,
  };
}

/** A replica that was chosen for its health and then refuses is no reason to fail. */
async function attachToNode(
  setup: ReadingSetup,
): Promise<{ readonly node: NodeChoice; readonly stream: ReplicationStream }> {
  const { request, address, node, notice } = setup;
  if (request.attached !== undefined) return { node, stream: request.attached };
  try {
    return { node, stream: await attach(setup, node) };
  } catch (error) {
    const isNamed = isSameNode(node.address, address);
    const isFree = (request.from ?? 'auto') === 'auto' && !isNamed;
    if (!isFree || !isCoded(error) || error.code === 'INTERRUPTED') throw error;
    notice(`The replica cannot be read: ${error.message}; reading from the master`);
    const master = await chooseNode(address, 'master', connectOptions(request));
    return { node: master, stream: await attach(setup, master) };
  }
}

async function attach(setup: ReadingSetup, node: NodeChoice): Promise<ReplicationStream> {
  const { request, notice, report } = setup;
  const { deadlines, commandNames, spoolFolder } = request;
  const isSpooled = spoolFolder !== undefined;
  const rateLimit = isSpooled ? undefined : request.rateLimit;
  const control = isSpooled ? undefined : request.control;
  const onLifted = (reason: string) => notice(liftedText(reason));
  return await openReplication(node.address, {
    onPhase: (phase, text) => report({ phase, text }),
    ...connectOptions(request),
    ...(deadlines && { deadlines }),
    ...(commandNames && { commandNames }),
    onLifted,
    ...(rateLimit && { rateLimit: { onLifted, ...rateLimit } }),
    ...(control && { control }),
  });
}

async function openByScan(setup: ReadingSetup, why: string | null): Promise<Reading> {
  const { request, node, selection, notice, report } = setup;
  const { deadlines = {}, threads, bigKeys, spoolFolder, rateLimit, control } = request;
  report({ phase: 'connecting', text: `Connecting to ${displayAddress(node.address)}` });
  const isSpooled = spoolFolder !== undefined;
  const stream: ScanStream = await openScan(node.address, node.identity, {
    ...connectOptions(request),
    selection,
    onNotice: notice,
    ...(threads !== undefined && { threads }),
    ...(bigKeys && { bigKeys }),
    ...(deadlines.connectMs !== undefined && { connectMs: deadlines.connectMs }),
    ...(deadlines.silenceMs !== undefined && { silenceMs: deadlines.silenceMs }),
    ...(isSpooled && { tempFolder: spoolFolder }),
    ...(rateLimit && !isSpooled && { bytesPerSecond: rateLimit.bytesPerSecond }),
    ...(control && !isSpooled && { control }),
  });
  return {
    source: spooled(setup, stream),
    node,
    consistency: 'fuzzy',
    snapshotAtMs: request.repository.clock.now(),
    length: null,
    replication: null,
    facts: () => {
      const { vanished, changed, duplicates } = stream.counts;
      return { mode: 'scan', why, vanished, changed, duplicates };
    },
    counts: () => stream.counts,
  };
}

/** With a spool the source sends at full speed, and the limit applies behind it. */
function spooled({ request, report }: ReadingSetup, source: RdbByteSource): RdbByteSource {
  const { spoolFolder: folder, rateLimit, control } = request;
  if (folder === undefined) return source;
  return new SpooledRdb(source, {
    folder,
    ...(rateLimit && { bytesPerSecond: rateLimit.bytesPerSecond }),
    ...(control && { control }),
    onReceived: () => report({ text: 'Reading the spool; the server is free again' }),
  });
}

export function connectOptions(request: BackupRequest) {
  const { tls, signal } = request;
  return { ...(tls && { tls }), ...(signal && { signal }) };
}

export function isSameNode(a: RedisAddress, b: RedisAddress): boolean {
  return a.host === b.host && a.port === b.port && a.path === b.path;
}

/** What a user should know of single keys, one sentence each. */
export function describeCounts(counts: ScanCounts): string[] {
  const texts: string[] = [];
  const { vanished, changed, duplicates, readWhole } = counts;
  if (vanished > 0) texts.push(`${keys(vanished)} deleted or expired before being read`);
  if (changed > 0) texts.push(`${keys(changed)} large and changing: parts of several moments`);
  if (duplicates > 0) texts.push(`${keys(duplicates)} listed more than once, and taken once`);
  for (const [why, count] of Object.entries(readWhole)) {
    texts.push(`${keys(count)} large and read whole by DUMP: ${why}`);
  }
  return texts;
}

function keys(count: number): string {
  return count === 1 ? '1 key was' : `${count} keys were`;
}

function liftedText(reason: string): string {
  return `Held back no longer, to protect the source: ${reason}`;
}
