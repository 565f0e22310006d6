/**
 * Restore: selected entries of a backup into a live server.
 *
 *   repository → (workers) open blocks, select, encode commands → (main thread) one connection, in
 *   order → replies → counts; what exists already → compare, then conflict policy
 *
 * Values are re-encoded to what the target reads fastest (docs/restore.md). Invariants: no command
 * of the main path touches a key that exists; an equal key counts as unchanged, so a second run
 * changes nothing; a key of several parts becomes visible only when it is whole; what cannot be
 * written exactly is reported by key. Functions have a conflict rule of their own.
 */
export type { Counts, Problem } from './counts.ts';
export type { FunctionCounts } from './functions.ts';
export type { ConflictPolicy, TtlPolicy } from './policies.ts';
export { precheckTarget, type PrecheckTargetRequest } from './precheck-target.ts';
export { readEntries, type ReadRequest } from './read-entries.ts';
export type { RestoreProgress, RestoreReport, RestoreRequest } from './requests.ts';
export { restoreBackup } from './restore-backup.ts';
