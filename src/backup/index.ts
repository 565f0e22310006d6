/**
 * Full backups: a live server, RDB files or JSON Lines become a backup in a repository.
 *
 *   source → (main thread) cut into batches → (workers) decode, select, write JSON, compress
 *          → (main thread) data files in order → manifest
 *
 * Data-parallel: each worker does all the work on whole batches. Invariants: nothing is listed
 * before everything is durable and the RDB's checksum and end have been checked; memory is bounded
 * by stopping the source; a failure anywhere ends everything and leaves no listed backup.
 */
export { backUp, checkNode, defaultName, marksOf, serverVersion } from './back-up.ts';
export { importFiles, importJsonLines, importRdb } from './import-files.ts';
export { serverFamily } from './import-rdb.ts';
export type { ImportFormat } from './import-input.ts';
export type {
  BackupMode,
  BackupProgress,
  BackupReport,
  BackupRequest,
  ImportRequest,
  StandIn,
} from './requests.ts';
