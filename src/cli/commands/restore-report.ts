import type { RestoreReport } from '../../restore/index.ts';
import { type Invocation, styled } from '../invocation.ts';
import { formatAmount, formatCount, formatDuration, printable } from '../output/format.ts';
import { formatTable } from '../output/text-table.ts';
import type { RestoreOptions } from './restore-options.ts';

const MAX_PROBLEMS_SHOWN = 20;

const OUTCOMES = [
  'selected',
  'restored',
  'unchanged',
  'renamed',
  'overwritten',
  'skipped',
  'changed',
  'expired',
  'failed',
  'inexact',
] as const;

/** Whether something that was wanted is not, or not exactly, in the target now. */
export function isInexact({ totals, functions }: RestoreReport): boolean {
  return totals.failed + totals.inexact + totals.changed > 0 || functions.failed > 0;
}

/** What `restore` prints when it is done; the last line says what was left out and why. */
export function formatRestoreReport(
  invocation: Invocation,
  report: RestoreReport,
  ttl: RestoreOptions['ttl'],
): string {
  const heading = report.dryRun
    ? `Dry run of ${report.backup} to ${report.target}: nothing was written`
    : `Restored ${report.backup} to ${report.target} (task ${report.task})`;
  const lines = [
    styled(invocation, 'bold', heading),
    ...formatTotals(report).trimEnd().split('\n'),
    ...formatFunctions(report),
    ...formatConflicts(report),
    ...formatProblems(invocation, report),
    `Took ${formatDuration(report.durationMs)}`,
    ...formatExpired(report, ttl),
  ];
  return `${lines.join('\n')}\n`;
}

function formatTotals({ databases, totals }: RestoreReport): string {
  const touched = databases.filter(({ selected }) => selected > 0);
  if (touched.length === 0) return 'No key of the backup was selected\n';
  // Of the rare outcomes only those that came up.
  const shown = OUTCOMES.filter((name, index) => index < 3 || totals[name] > 0);
  const rows = [
    ...touched.map((counts) => [`db ${counts.db}`, ...shown.map((n) => formatCount(counts[n]))]),
    ...(touched.length === 1 ? [] : [['all', ...shown.map((n) => formatCount(totals[n]))]]),
  ];
  const titles = shown.map((name) => ({ title: name.toUpperCase(), align: 'right' as const }));
  return formatTable([{ title: '' }, ...titles], rows);
}

function formatFunctions({ functions }: RestoreReport): string[] {
  const { libraries, scripts, ...outcomes } = functions;
  const lines: string[] = [];
  if (libraries > 0) {
    const counts = Object.entries(outcomes).filter(([, count]) => count > 0);
    lines.push(`Function libraries: ${counts.map(([name, n]) => `${n} ${name}`).join(', ')}`);
  }
  if (scripts > 0) lines.push(`Cached scripts: ${formatCount(scripts)} loaded`);
  return lines;
}

function formatConflicts({ totals, dryRun, task }: RestoreReport): string[] {
  const verb = (count: number): string => (dryRun ? 'would be' : count === 1 ? 'was' : 'were');
  const line = (count: number, text: string): string[] =>
    count === 0 ? [] : [`Conflicts: ${formatAmount(count, 'key')} ${verb(count)} ${text}`];
  return [
    ...line(totals.renamed, `written beside the target's own, as <key>_dbs_${task}_<time>`),
    ...line(totals.overwritten, 'overwritten in the target'),
    ...line(totals.skipped, 'left as they are in the target'),
    ...line(totals.changed, 'changed by others while the restore was interrupted, and left alone'),
  ];
}

function formatProblems(invocation: Invocation, report: RestoreReport): string[] {
  const { problems, problemCount } = report;
  if (problemCount === 0) return [];
  const heading = formatAmount(problemCount, 'problem');
  const shown = problems.slice(0, MAX_PROBLEMS_SHOWN);
  const rest = problemCount - shown.length;
  return [
    styled(invocation, 'red', `${heading}:`),
    ...shown.map(({ db, key, code, message }) =>
      printable(`  db ${db}, key ${key}: ${code}: ${message}`),
    ),
    ...(rest > 0 ? [`  and ${formatCount(rest)} more (--json lists more of them)`] : []),
  ];
}

function formatExpired({ totals, dryRun }: RestoreReport, ttl: RestoreOptions['ttl']): string[] {
  const { expired } = totals;
  if (expired === 0) return [];
  const verb = dryRun ? 'would not be' : expired === 1 ? 'was not' : 'were not';
  const keys = `${formatAmount(expired, 'key')} ${verb} written: `;
  if (ttl === 'absolute') {
    return [
      `${keys}expired by now; --ttl remaining gives each the time it had left at the backup, ` +
        '--ttl persist keeps them for good',
    ];
  }
  return [`${keys}expired at the backup's instant already; --ttl persist keeps them for good`];
}
