import { randomBytes } from 'node:crypto';
import { CodedError } from '../base/index.ts';

/**
 * Every object name of a repository, version 1, in one place (docs/formats/repository.md). Names
 * are lower-case, never reused, and every part that comes from outside is checked here, so that no
 * id can lead out of its folder.
 */

export const REPOSITORY_OBJECT = 'repository.json';
export const SOURCES_FOLDER = 'sources/';

const SOURCE_ID = /^[a-z0-9][a-z0-9.-]{0,47}-[a-z0-9]{6}$/;
const BACKUP_ID = /^[0-9]{8}t[0-9]{6}z-[0-9a-f]{6}$/;
const SHARD_ID = /^[0-9]{5}$/;
const LINEAGE_ID = /^[0-9]{8}t[0-9]{6}z-[0-9a-f]{8}$/;
const KEY_ID = /^[a-z0-9][a-z0-9-]{0,63}$/;
const LEASE = /^[a-z0-9][a-z0-9.-]{0,99}$/;
const TOPOLOGY_TIME = /^[0-9]{8}t[0-9]{9}z$/;
const REPORT = /^[0-9]{8}t[0-9]{9}z-[0-9a-f]{8}\.json$/;
const DATA_FILE = /^([0-9]{5})\.jsonl\.zst$/;

const SEGMENT_FILE = /^([0-9]{20})_([0-9]{20})\.aof\.zst$/;
const DAY = /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/;

/** 9999-12-31: what a day of four digits can say. */
const LAST_DATE_MS = 253_402_300_799_999;

const HIGHEST_SLOT = 16383;
const MAX_SEQUENCE = 99_999;
const MAX_SERIES_NUMBER = 99_999_999;

export function isSourceId(text: string): boolean {
  return SOURCE_ID.test(text);
}

export function isBackupId(text: string): boolean {
  return BACKUP_ID.test(text);
}

export function isShardId(text: string): boolean {
  return SHARD_ID.test(text) && Number(text) <= HIGHEST_SLOT;
}

export function isLineageId(text: string): boolean {
  return LINEAGE_ID.test(text);
}

/** Unrecognised by anybody but us: nothing secret and nothing guessable is needed of these. */
export type RandomBytes = (count: number) => Uint8Array;
export const systemRandom: RandomBytes = (count) => randomBytes(count);

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** `Orders (prod)` becomes `orders-prod-x7k2p9`; the name itself is kept in the source's record. */
export function newSourceId(name: string, random: RandomBytes = systemRandom): string {
  const slug = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 32)
    .replace(/-+$/, '');
  let suffix = '';
  for (const byte of random(6)) suffix += ALPHABET[byte % ALPHABET.length];
  return `${slug === '' ? 'source' : slug}-${suffix}`;
}

/** `20261122t123000z-7f3a2c`: sorts by the start of the backup. */
export function newBackupId(startedAtMs: number, random: RandomBytes = systemRandom): string {
  return `${compactTime(startedAtMs)}-${Buffer.from(random(3)).toString('hex')}`;
}

/** The second that an id tells, Unix milliseconds. */
export function backupTime(backup: string): number {
  const [, y, mo, d, h, m, s] = /^(.{4})(..)(..)t(..)(..)(..)z/.exec(
    checkedBackup(backup),
  ) as RegExpExecArray;
  return Date.UTC(Number(y), Number(mo) - 1, Number(d), Number(h), Number(m), Number(s));
}

/** A shard is named by the lowest slot that it owned when first seen. */
export function shardId(lowestSlot: number): string {
  const id = String(lowestSlot).padStart(5, '0');
  return checked(id, isShardId(id), 'shard');
}

export function keyObject(keyId: string): string {
  return `keys/${checked(keyId, KEY_ID.test(keyId), 'key')}.json`;
}

export function leaseFolder(what: string): string {
  return `leases/${checked(what, LEASE.test(what), 'lease')}/`;
}

/** One member of a numbered series; the highest valid number wins. */
export function seriesObject(folder: string, number: number): string {
  const ok = Number.isInteger(number) && number >= 1 && number <= MAX_SERIES_NUMBER;
  checked(String(number), ok, 'series');
  return `${folder}${String(number).padStart(8, '0')}.json`;
}

/** The number of a series member, or undefined for any other name. */
export function seriesNumber(folder: string, object: string): number | undefined {
  if (!object.startsWith(folder)) return undefined;
  const match = /^([0-9]{8})\.json$/.exec(object.slice(folder.length));
  return match === null ? undefined : Number(match[1]);
}

export function sourceFolder(source: string): string {
  return `sources/${checked(source, isSourceId(source), 'source')}/`;
}

export function sourceObject(source: string): string {
  return `${sourceFolder(source)}source.json`;
}

/** What may change about a source: its name, labels and the marks by which we know it again. */
export function descriptionFolder(source: string): string {
  return `${sourceFolder(source)}description/`;
}

export function topologyFolder(source: string): string {
  return `${sourceFolder(source)}topology/`;
}

export function topologyObject(source: string, timeMs: number): string {
  const time = compactTimeMs(timeMs);
  return `${topologyFolder(source)}${checked(time, TOPOLOGY_TIME.test(time), 'topology')}.json`;
}

export function isTopologyObject(source: string, object: string): boolean {
  const folder = topologyFolder(source);
  if (!object.startsWith(folder) || !object.endsWith('.json')) return false;
  return TOPOLOGY_TIME.test(object.slice(folder.length, -'.json'.length));
}

export function backupsFolder(source: string): string {
  return `${sourceFolder(source)}backups/`;
}

export function manifestObject(source: string, backup: string): string {
  return `${backupsFolder(source)}${checkedBackup(backup)}.json`;
}

/** The backup whose manifest this is, or undefined for any other name. */
export function backupOfManifest(source: string, object: string): string | undefined {
  return idOf(object, backupsFolder(source));
}

export function begunFolder(source: string, backup: string): string {
  return `${sourceFolder(source)}begun/${checkedBackup(backup)}/`;
}

export function allBegunFolder(source: string): string {
  return `${sourceFolder(source)}begun/`;
}

export function dataFolder(source: string): string {
  return `${sourceFolder(source)}data/`;
}

export function backupDataFolder(source: string, backup: string): string {
  return `${dataFolder(source)}${checkedBackup(backup)}/`;
}

export function dataFileObject(
  source: string,
  backup: string,
  shard: string,
  sequence: number,
): string {
  const ok = Number.isInteger(sequence) && sequence >= 1 && sequence <= MAX_SEQUENCE;
  checked(String(sequence), ok, 'sequence');
  const file = `${String(sequence).padStart(5, '0')}.jsonl.zst`;
  return `${backupDataFolder(source, backup)}${checkedShard(shard)}/${file}`;
}

export function instanceObject(source: string, backup: string, shard: string): string {
  return `${backupDataFolder(source, backup)}${checkedShard(shard)}/instance.jsonl.zst`;
}

/** What a name below data/ says about the file, or undefined where it is no such name. */
export function parseDataObject(object: string): DataObjectName | undefined {
  const parts = object.split('/');
  const [top, source, data, backup, shard, file] = parts;
  if (parts.length !== 6 || top !== 'sources' || data !== 'data') return undefined;
  if (!isSourceId(source) || !isBackupId(backup) || !isShardId(shard)) return undefined;
  if (file === 'instance.jsonl.zst') {
    return { source, backup, shard, kind: 'instance', sequence: 0 };
  }
  const match = DATA_FILE.exec(file);
  if (match === null || Number(match[1]) < 1) return undefined;
  const sequence = Number(match[1]);
  return { source, backup, shard, kind: 'entries', sequence };
}

export type DataObjectName = {
  readonly source: string;
  readonly backup: string;
  readonly shard: string;
  readonly kind: 'entries' | 'instance';
  /** From 1; 0 for the instance record. */
  readonly sequence: number;
};

/** Everything recorded of a source: a folder per shard, in it one per lineage. */
export function logFolder(source: string): string {
  return `${sourceFolder(source)}log/`;
}

export function shardLogFolder(source: string, shard: string): string {
  return `${logFolder(source)}${checkedShard(shard)}/`;
}

export function lineageFolder(source: string, shard: string, lineage: string): string {
  return `${shardLogFolder(source, shard)}${checkedLineage(lineage)}/`;
}

export function lineageObject(source: string, shard: string, lineage: string): string {
  return `${lineageFolder(source, shard, lineage)}lineage.json`;
}

/** `20261122t123000z-7f3a2c01`: when recording began, and the start of the replication id. */
export function newLineageId(startedAtMs: number, replid: string): string {
  return checkedLineage(`${compactTime(startedAtMs)}-${replid.slice(0, 8).toLowerCase()}`);
}

/** What is known of the segments of one day. `day`: `2026-11-22`, in UTC. */
export function dayIndexObject(
  source: string,
  shard: string,
  lineage: string,
  day: string,
): string {
  checked(day, DAY.test(day), 'day');
  return `${lineageFolder(source, shard, lineage)}${day}/index.json`;
}

/** The day of the folder that a segment which began then lies in. */
export function segmentDay(firstMs: number): string {
  return new Date(firstMs).toISOString().slice(0, 10);
}

/** `<start offset>_<first ms>.aof.zst` below the day, both zero-padded to twenty digits. */
export function segmentObject(source: string, segment: SegmentName): string {
  const { shard, lineage, startOffset, firstMs } = segment;
  const file = `${twentyDigits(startOffset)}_${twentyDigits(firstMs)}.aof.zst`;
  return `${lineageFolder(source, shard, lineage)}${segmentDay(firstMs)}/${file}`;
}

/** What a name below log/ says, or undefined where it is no such name. */
export function parseLogObject(source: string, object: string): LogObjectName | undefined {
  const folder = logFolder(source);
  if (!object.startsWith(folder)) return undefined;
  const [shard, lineage, third, file, ...more] = object.slice(folder.length).split('/');
  if (!isShardId(shard) || lineage === undefined || !isLineageId(lineage)) return undefined;
  const place = { source, shard, lineage };
  if (third === 'lineage.json' && file === undefined) return { ...place, kind: 'lineage' };
  if (file === undefined || more.length > 0 || !DAY.test(third)) return undefined;
  if (file === 'index.json') return { ...place, kind: 'index', day: third };
  const match = SEGMENT_FILE.exec(file);
  if (match === null) return undefined;
  const startOffset = Number(match[1]);
  const firstMs = Number(match[2]);
  const bounded = Number.isSafeInteger(startOffset) && firstMs <= LAST_DATE_MS;
  if (!bounded || segmentDay(firstMs) !== third) return undefined;
  return { ...place, kind: 'segment', day: third, startOffset, firstMs };
}

export type LogObjectName = {
  readonly source: string;
  readonly shard: string;
  readonly lineage: string;
} & (
  | { readonly kind: 'lineage' }
  | { readonly kind: 'index'; readonly day: string }
  | {
      readonly kind: 'segment';
      readonly day: string;
      readonly startOffset: number;
      readonly firstMs: number;
    }
);

export type SegmentName = {
  readonly shard: string;
  readonly lineage: string;
  readonly startOffset: number;
  readonly firstMs: number;
};

export function pinsFolder(source: string): string {
  return `${sourceFolder(source)}pins/`;
}

/** Tombstones: a backup named here is unlisted at once, its data goes later. */
export function deletedFolder(source: string): string {
  return `${sourceFolder(source)}deleted/`;
}

export function tombstoneObject(source: string, backup: string): string {
  return `${deletedFolder(source)}${checkedBackup(backup)}.json`;
}

export function backupOfTombstone(source: string, object: string): string | undefined {
  return idOf(object, deletedFolder(source));
}

export function reportsFolder(source: string): string {
  return `${sourceFolder(source)}reports/`;
}

/** `task`: eight hexadecimal digits. */
export function reportObject(source: string, atMs: number, task: string): string {
  checked(task, /^[0-9a-f]{8}$/.test(task), 'task');
  return `${reportsFolder(source)}${compactTimeMs(atMs)}-${task}.json`;
}

export function isReportObject(source: string, object: string): boolean {
  const folder = reportsFolder(source);
  return object.startsWith(folder) && REPORT.test(object.slice(folder.length));
}

export function undoFolder(source: string): string {
  return `${sourceFolder(source)}undo/`;
}

export function plansFolder(source: string): string {
  return `${sourceFolder(source)}plans/`;
}

function idOf(object: string, folder: string): string | undefined {
  if (!object.startsWith(folder) || !object.endsWith('.json')) return undefined;
  const id = object.slice(folder.length, -'.json'.length);
  return isBackupId(id) ? id : undefined;
}

function twentyDigits(value: number): string {
  checked(String(value), Number.isSafeInteger(value) && value >= 0, 'segment');
  return String(value).padStart(20, '0');
}

/** `20261122t123000z` */
function compactTime(ms: number): string {
  return compactTimeMs(ms).replace(/[0-9]{3}z$/, 'z');
}

/** `20261122t123000123z` */
function compactTimeMs(ms: number): string {
  return new Date(ms).toISOString().replace(/[-:.]/g, '').toLowerCase();
}

function checkedBackup(backup: string): string {
  return checked(backup, isBackupId(backup), 'backup');
}

function checkedLineage(lineage: string): string {
  return checked(lineage, isLineageId(lineage), 'lineage');
}

function checkedShard(shard: string): string {
  return checked(shard, isShardId(shard), 'shard');
}

function checked(text: string, ok: boolean, what: string): string {
  if (ok) return text;
  throw new CodedError('NAME_INVALID', `Cannot use ${JSON.stringify(text)} as a ${what} id`);
}
