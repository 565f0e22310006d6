/**
 * Proves that backups can be read back: every manifest, file, directory, filter and block is read,
 * hashed and decoded, every key counted, and everything that is said twice compared. Findings are
 * reported, never thrown: the first damage must not hide the second. Changes nothing and needs only
 * the right to read. The formats are those of docs/formats/repository.md and data-file.md.
 */
export { type Finding, FINDINGS, type FindingCode } from './findings.ts';
export {
  verifyBackup,
  type VerifyOptions,
  type VerifyProgress,
  type VerifyReport,
} from './verify-backup.ts';
export { type RepositoryReport, verifyRepository } from './verify-repository.ts';
