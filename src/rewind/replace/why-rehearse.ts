import { versionNumber } from '../../rdb/index.ts';
import { type FedTarget, isKnownCommand } from '../../replay/index.ts';
import type { LineageLog, SegmentRecord } from '../../repository/index.ts';
import { commandsOfServer } from './needed-commands.ts';

/** A server as records name it. */
export type RecordedIdentity = { readonly family: string; readonly version: string | null };

const USUAL_TYPES = new Set(['string', 'list', 'set', 'hash', 'zset', 'stream']);

/**
 * Why a base must be written once for the target before that loses its own data; null: it holds
 * whatever the source held, being of its family and not older. Pure.
 */
export function whyRehearseBase(
  source: RecordedIdentity,
  types: Iterable<string>,
  target: FedTarget,
): string | null {
  const why = whyNotSame(source, target);
  if (why !== null) return why;
  const other = [...types].find((type) => !USUAL_TYPES.has(type));
  return other === undefined ? null : `the base has values of type ${other}`;
}

export type RehearsedLog = {
  readonly lineage: Pick<LineageLog, 'record' | 'segments' | 'replids'>;
  readonly fromOffset: number;
  readonly toOffset: number;
};

/**
 * Why a stretch of log must be translated once for the target before that loses its own data; null:
 * nothing in it can be refused. That is so where the target is of the source's family, not older,
 * has all commands and databases that the source has, and where the segments say that nothing else
 * is in them. Pure.
 *
 * What a source takes only against its own defaults (`rdb-version-check relaxed`) is not seen here:
 * it ends the feed instead.
 */
export function whyRehearseLog(
  source: RecordedIdentity,
  log: RehearsedLog,
  target: FedTarget,
): string | null {
  return whyNotSame(source, target) ?? whyNotKnown(source, target) ?? whyNotPlain(log, target);
}

function whyNotSame(source: RecordedIdentity, target: FedTarget): string | null {
  const { family, version } = source;
  if (family !== 'redis' && family !== 'valkey') return `its server is ${family}`;
  if (family !== target.family) return `its server is ${family}, the target ${target.family}`;
  if (version === null || !isNumbered(version)) return 'nobody knows the version of its server';
  if (!isNumbered(target.version)) return "nobody knows the target's version";
  if (versionNumber(version) <= versionNumber(target.version)) return null;
  return `its server is of version ${version}, the target of ${target.version}`;
}

function whyNotKnown({ family, version }: RecordedIdentity, target: FedTarget): string | null {
  const known = target.knownCommands;
  if (known === undefined) return 'the target does not tell its commands';
  const needed = commandsOfServer(family as 'redis' | 'valkey', versionNumber(version ?? ''));
  const lacking = needed.filter((name) => !isKnownCommand(name, known));
  return lacking.length === 0 ? null : `the target does not know ${lacking.join(', ')}`;
}

function whyNotPlain(log: RehearsedLog, target: FedTarget): string | null {
  const { lineage, fromOffset, toOffset } = log;
  const { databases } = lineage.record;
  const have = target.databases ?? null;
  if (databases === null) return 'nobody knows how many databases its server has';
  if (have === null) return 'nobody knows how many databases the target has';
  if (have < databases) return `its server has ${databases} databases, the target ${have}`;
  // Another master may be of another version, and have other settings.
  const names = new Set(
    lineage.replids.filter((of) => of.offset < toOffset).map((of) => of.replid),
  );
  if (names.size > 1) return 'another server took over within the log';
  const segments = lineage.segments.filter(
    ({ startOffset, endOffset }) => endOffset > fromOffset && startOffset < toOffset,
  );
  for (const [index, segment] of segments.entries()) {
    const isBehind = index > 0 && segments[index - 1].endOffset > segment.startOffset;
    const why = isBehind ? 'segments overlap' : whyNotUsual(segment);
    if (why !== null) return why;
  }
  return null;
}

function whyNotUsual({ unknownCommands, verbatimScripts, marks }: SegmentRecord): string | null {
  if (unknownCommands.length > 0) return `it has ${unknownCommands.join(', ')}`;
  if (verbatimScripts > 0) return 'it has scripts';
  if (marks.some(({ kind }) => kind === 'TRIMSLOTS' || kind === 'CLUSTER')) {
    return 'slots moved';
  }
  return null;
}

function isNumbered(version: string): boolean {
  return /^\d+\.\d+/.test(version);
}
