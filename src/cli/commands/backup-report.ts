import type { BackupProgress, BackupReport } from '../../backup/index.ts';
import type { Clock } from '../../base/index.ts';
import type { Manifest } from '../../repository/index.ts';
import { formatAmount, formatBytes, formatDuration, formatInstant } from '../output/format.ts';
import type { ProgressMeter } from '../output/progress-meter.ts';
import { formatFacts } from '../output/text-table.ts';
import { TransferProgress } from '../output/transfer-progress.ts';

/** What `backup` and `import` print when they are done; `more` follows. */
export function formatBackupReport(
  report: BackupReport,
  more: readonly (readonly [string, string | null])[] = [],
): string {
  const { manifest, source, receivedBytes, durationMs } = report;
  const { totals, databases } = manifest;
  const seconds = Math.max(durationMs, 1) / 1000;
  return formatFacts([
    ['backup', report.id],
    ['source', source.name],
    ...formatTime(manifest),
    [
      'keys',
      `${formatAmount(totals.keys, 'key')} in ${formatAmount(databases.length, 'database')}`,
    ],
    ['read', formatBytes(receivedBytes)],
    ['stored', `${formatBytes(totals.storedBytes)} in ${formatAmount(totals.files, 'file')}`],
    ['took', `${formatDuration(durationMs)} (${formatBytes(receivedBytes / seconds)}/s)`],
    ...more,
  ]);
}

/** One instant, or for keys read one by one when that began and ended. */
function formatTime({ consistency, snapshotAt, endedAt, shards }: Manifest): [string, string][] {
  if (consistency === 'point-in-time') return [['instant', formatInstant(snapshotAt)]];
  const isScanned = shards.some(({ reading }) => reading?.mode === 'scan');
  const how = isScanned ? 'key by key (SCAN), not of one instant' : 'not of one instant';
  return [
    ['from', formatInstant(snapshotAt)],
    ['to', formatInstant(endedAt)],
    ['consistency', `fuzzy: ${how}`],
  ];
}

/** What they print with `--json`. */
export function backupDocument(report: BackupReport): object {
  const { manifest, source } = report;
  return {
    id: report.id,
    source: { id: source.id, name: source.name },
    consistency: manifest.consistency,
    reading: manifest.shards[0]?.reading ?? null,
    startedAt: manifest.startedAt,
    snapshotAt: manifest.snapshotAt,
    endedAt: manifest.endedAt,
    keys: manifest.totals.keys,
    storedBytes: manifest.totals.storedBytes,
    rawBytes: manifest.totals.rawBytes,
    receivedBytes: report.receivedBytes,
    durationMs: Math.round(report.durationMs),
    databases: manifest.databases,
    lossy: manifest.lossy,
    notices: report.notices,
  };
}

/** Lets the meter show what the backup tells of its progress. */
export function showBackupProgress(
  meter: ProgressMeter,
  clock: Clock,
): (progress: BackupProgress) => void {
  const transfer = new TransferProgress(clock);
  return (progress) => {
    const { phase, text, receivedBytes, expectedBytes, keys } = progress;
    if (phase === 'receiving') transfer.begin();
    // The server's memory is only a guess of what will come, so it never says that all is there.
    const expected = expectedBytes !== null && expectedBytes > receivedBytes ? expectedBytes : null;
    meter.show(() =>
      phase === 'receiving'
        ? transfer.format({ text, bytes: receivedBytes, expectedBytes: expected, keys })
        : text,
    );
  };
}
