import type { KeyFacts, KeyInBackup, KeyVersion, ReadCost } from '../../browse/index.ts';
import type { Source } from '../../repository/index.ts';
import {
  formatAmount,
  formatBytes,
  formatCount,
  formatLocalTime,
  printable,
} from '../output/format.ts';

/** Rows are printed before the next is known, so the columns have fixed widths. */
const WIDTHS = [23, 19, 3, 11, 6, 22, 19, 12] as const;
const TITLES = ['BACKUP', 'LOCAL TIME', 'DB', 'WHAT', 'TYPE', 'SIZE', 'EXPIRES', 'DIGEST'];

export const FIND_HEAD = row(TITLES);

/** So many digits tell versions apart for people; `--json` has them all. */
const SHORT_DIGEST = 12;

/** The row or rows of one backup. */
export function formatFound(backup: KeyInBackup): string {
  const { state, error, snapshotAt } = backup;
  const place = [backup.backup, snapshotAt === null ? '' : formatLocalTime(snapshotAt)];
  if (error !== null) return row([...place, '', `unreadable: ${printable(error.message)}`]);
  if (state === 'not-selected') return row([...place, '', 'not in the selection of this backup']);
  return backup.versions.map((version) => row([...place, ...cellsOf(version)])).join('');
}

function cellsOf({ db, facts, change }: KeyVersion): string[] {
  if (facts === null)
    return [db === null ? '' : String(db), change === 'removed' ? change : 'absent'];
  const expires = facts.expireAtMs === null ? 'never' : formatExpiry(facts.expireAtMs);
  const digest = facts.digest.core.slice(0, SHORT_DIGEST);
  return [String(db), change ?? 'present', facts.type, formatSize(facts), expires, digest];
}

/** `expireAt` may lie beyond what a calendar knows. */
export function formatExpiry(ms: number): string {
  return Number.isNaN(new Date(ms).getTime()) ? `${ms} ms` : formatLocalTime(ms);
}

function formatSize({ type, elements, bytes }: KeyFacts): string {
  if (elements === null) return formatBytes(bytes);
  const noun = type === 'hash' ? 'field' : type === 'stream' ? 'entry' : 'item';
  const plural = noun === 'entry' ? 'entries' : `${noun}s`;
  return `${formatAmount(elements, noun, plural)}, ${formatBytes(bytes)}`;
}

function row(cells: readonly string[]): string {
  const padded = cells.map((cell, i) =>
    i === 2 ? cell.padStart(WIDTHS[i]) : cell.padEnd(WIDTHS[i]),
  );
  return `  ${padded.join('  ').trimEnd()}\n`;
}

export function formatFindSummary(backups: readonly KeyInBackup[], read: ReadCost): string {
  const having = backups.filter(({ versions }) => versions.some(({ facts }) => facts !== null));
  return (
    `found in ${formatCount(having.length)} of ${formatAmount(backups.length, 'backup')}; ` +
    `read ${formatBytes(read.bytes)} by ${formatAmount(read.requests, 'request')}\n`
  );
}

export function findDocument(source: Source, backups: readonly KeyInBackup[]): object {
  return { id: source.id, name: source.name, backups: backups.map(backupDocument) };
}

function backupDocument({ backup, snapshotAt, state, error, versions }: KeyInBackup): object {
  const document = { id: backup, snapshotAt, state, versions: versions.map(versionDocument) };
  if (error === null) return document;
  return { ...document, error: { code: error.code, message: error.message } };
}

function versionDocument({ db, facts, change }: KeyVersion): object {
  if (facts === null) return { db, present: false, change };
  const { type, expireAtMs, bytes, elements, digest } = facts;
  const { core, counters } = digest;
  return {
    db,
    present: true,
    change,
    type,
    expireAt: expireAtMs,
    bytes,
    elements,
    digest: core,
    counters,
  };
}
