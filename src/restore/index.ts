/**
 * Restore: selected entries of a backup into a live server.
 *
 *   repository → (workers) open blocks, select, encode commands → (main thread) one connection, in
 *   order → replies → counts; before that, where keys exist already: (workers) look at the target,
 *   compare, decide by the conflict policy
 *
 * Values are re-encoded to what the target reads fastest (docs/restore.md). Invariants: no command
 * of the main path touches a key that exists; an equal key counts as unchanged, so a second run
 * changes nothing; a key of several parts becomes visible only when it is whole; what cannot be
 * written exactly is reported by key. Functions have a conflict rule of their own. What a task has
 * begun and done is in its journal on local disk, by which it is resumed: a key that an application
 * changed meanwhile is reported, never overwritten.
 */
export type { Counts, Problem } from './counts.ts';
export { exportBackup } from './export/export-backup.ts';
export type {
  ExportFormat,
  ExportFunctions,
  ExportProgress,
  ExportReport,
  ExportRequest,
} from './export/export-requests.ts';
export type { ExportCounts } from './export/export-tally.ts';
export { type ExportTarget, parseExportTarget } from './export/export-target.ts';
export {
  type Compression,
  compressionOf,
  compressOutput,
} from './export/output/compressed-output.ts';
export type { ExportOutput } from './export/output/export-output.ts';
export { openOutputFile, type OutputFileOptions } from './export/output/output-file.ts';
export type { FunctionCounts } from './functions.ts';
export { listTasks, readTask, type TaskSummary } from './journal/list-tasks.ts';
export { TaskLock } from './journal/task-lock.ts';
export type { TaskOptions, TaskRecord, TaskTarget } from './journal/task-record.ts';
export type { ConflictPolicy, ExportTtlPolicy, TtlPolicy } from './policies.ts';
export { precheckTarget, type PrecheckTargetRequest } from './precheck-target.ts';
export { readEntries, type ReadRequest } from './read-entries.ts';
export type {
  RestoreProgress,
  RestoreReport,
  RestoreRequest,
  ResumeRequest,
} from './requests.ts';
export { newTaskId, restoreBackup, resumeRestore } from './restore-backup.ts';
