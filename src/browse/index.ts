/**
 * Answers from inside backups, without any server: one key through all backups of a source, what
 * two backups differ in, what the keys of one amount to. Only reads (docs/browse.md).
 *
 *   find         manifests → directories → filters of the key's slot range → candidate blocks
 *   diff         blocks → (workers) value digests → partitions by key hash → compared one by one
 *   statistics   blocks → sizes, types, expiries, prefixes, biggest keys
 *
 * Invariants: values are equal by docs/formats/value-digest.md, keys by their bytes, never by a
 * hash alone; memory does not grow with the backups; temporary files have no name, so that nothing
 * is left of them however a run ends. Listing and printing entries is restore/'s and cli/'s.
 */
export type { ReadCost } from './counted-reads.ts';
export { CountedReads } from './counted-reads.ts';
export {
  type DiffProgress,
  type DiffReport,
  type DiffRequest,
  diffBackups,
} from './diff/diff-backups.ts';
export type { DiffSide } from './diff/block-units.ts';
export type { DatabaseDiff, DiffCounts, PrefixDiff } from './diff/difference-tally.ts';
export {
  type Difference,
  DIFFERENCE_KINDS,
  type DifferenceKind,
  type SideOfKey,
} from './diff/difference.ts';
export type { KeyFacts } from './find-in-backup.ts';
export {
  findKey,
  type FindRequest,
  type KeyChange,
  type KeyInBackup,
  type KeyVersion,
} from './find-key.ts';
export {
  type DatabaseStatistics,
  type KeyStatistics,
  measureKeys,
  type MeasureRequest,
} from './statistics/measure-keys.ts';
export type { PrefixNode } from './statistics/prefix-tree.ts';
