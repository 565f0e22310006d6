/**
 * Proves that backups and logs can be read back: every manifest, file, segment, directory, filter
 * and block is read, hashed and decoded, every key and command counted, and everything that is said
 * twice compared. Findings are
 * reported, never thrown: the first damage must not hide the second. Changes nothing and needs only
 * the right to read. The formats are those of docs/formats/repository.md,
 * data-file.md and segment.md.
 */
export { type Finding, FINDINGS, type FindingCode } from './findings.ts';
export {
  verifyBackup,
  type VerifyOptions,
  type VerifyProgress,
  type VerifyReport,
} from './verify-backup.ts';
export {
  type LogProgress,
  type LogReport,
  verifyLog,
  type VerifyLogOptions,
} from './verify-log.ts';
export { type RepositoryReport, verifyRepository } from './verify-repository.ts';
