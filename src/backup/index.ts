/**
 * Full backups: a live server or RDB files become a backup in a repository.
 *
 *   source → (main thread) cut into batches → (workers) decode, select, write JSON, compress
 *          → (main thread) data files in order → manifest
 *
 * Data-parallel: each worker does all the work on whole batches. Invariants: nothing is listed
 * before everything is durable and the RDB's checksum and end have been checked; memory is bounded
 * by stopping the source; a failure anywhere ends everything and leaves no listed backup.
 */
export { backUp } from './back-up.ts';
export { importRdb } from './import-rdb.ts';
export type { BackupProgress, BackupReport, BackupRequest, ImportRequest } from './requests.ts';
