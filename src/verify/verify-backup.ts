import { isCoded, type RunControl } from '../base/index.ts';
import {
  type DataFileRecord,
  type Manifest,
  manifestObject,
  readManifest,
  type Repository,
} from '../repository/index.ts';
import { BlockChecker } from './block-checker.ts';
import { type Finding, messageOf } from './findings.ts';
import { Pace } from './pace.ts';
import { verifyFile } from './verify-file.ts';

export type VerifyProgress = {
  readonly backup: string;
  readonly filesDone: number;
  readonly files: number;
  readonly bytesDone: number;
  readonly bytes: number;
};

export type VerifyOptions = {
  readonly onProgress?: (progress: VerifyProgress) => void;
  /** Called at once for each finding, in addition to the report. */
  readonly onFinding?: (finding: Finding) => void;
  /** Bytes read per second, and pauses. */
  readonly control?: RunControl;
};

export type VerifyReport = {
  readonly source: string;
  readonly backup: string;
  /** Empty: everything is as it was stored. */
  readonly findings: readonly Finding[];
  readonly files: number;
  /** Keys found in the entries of the backup. */
  readonly entries: number;
  readonly bytes: number;
};

/**
 * Reads everything that a backup consists of and reports what is wrong. Rejects only when aborted,
 * or for our own bugs; a storage that fails becomes a finding.
 */
export async function verifyBackup(
  repository: Repository,
  source: string,
  backup: string,
  options: VerifyOptions = {},
  signal?: AbortSignal,
): Promise<VerifyReport> {
  const findings: Finding[] = [];
  const report = (finding: Finding) => {
    findings.push(finding);
    options.onFinding?.(finding);
  };
  const object = manifestObject(source, backup);
  let manifest: Manifest;
  try {
    manifest = await readManifest(repository, source, backup, signal);
  } catch (error) {
    signal?.throwIfAborted();
    const code = isCoded(error, 'OBJECT_MISSING')
      ? 'manifest-missing'
      : isCoded(error, 'REPOSITORY_UNSUPPORTED')
        ? 'manifest-unsupported'
        : 'manifest-corrupt';
    report({ code, object, message: messageOf(error) });
    return { source, backup, findings, files: 0, entries: 0, bytes: 0 };
  }
  const totals = { files: manifest.files.length, bytes: manifest.totals.storedBytes };
  let bytesDone = 0;
  let filesDone = 0;
  const tell = () => options.onProgress?.({ backup, filesDone, bytesDone, ...totals });
  const progress = (bytes: number) => {
    bytesDone += bytes;
    tell();
  };
  const pace = new Pace(options.control);
  const check = { repository, manifest, report, progress, pace, signal };
  let entries = 0;
  for (const files of sequences(manifest.files)) {
    const checker = new BlockChecker(report);
    for (const file of files) {
      await verifyFile(check, file, checker);
      filesDone++;
      tell();
    }
    checker.endShard(files[files.length - 1].name);
    if (files[0].kind === 'entries') entries += checker.entries;
  }
  return { source, backup, findings, files: filesDone, entries, bytes: bytesDone };
}

/** The entries of each shard in order, and each instance record for itself. */
function sequences(files: readonly DataFileRecord[]): DataFileRecord[][] {
  const groups = Map.groupBy(files, (file) => `${file.shard} ${file.kind}`);
  return [...groups.values()].map((group) => group.toSorted((a, b) => a.sequence - b.sequence));
}
