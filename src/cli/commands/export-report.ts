import type { ExportReport, TtlPolicy } from '../../restore/index.ts';
import { type Invocation, styled } from '../invocation.ts';
import {
  formatAmount,
  formatBytes,
  formatCount,
  formatDuration,
  printable,
} from '../output/format.ts';
import { formatTable } from '../output/text-table.ts';

const MAX_PROBLEMS_SHOWN = 20;

const OUTCOMES = ['selected', 'written', 'expired', 'failed', 'inexact'] as const;

/** Whether something that was wanted is not, or not exactly, in the export. */
export function isExportInexact({ totals, functions }: ExportReport): boolean {
  return totals.failed > 0 || totals.inexact > 0 || functions.failed > 0;
}

/** What `export` says when it is done; the last line says what was left out and why. */
export function formatExportReport(
  invocation: Invocation,
  report: ExportReport,
  out: string,
  ttl: TtlPolicy,
): string {
  const where = out === '-' ? 'standard output' : out;
  const target = report.target === null ? '' : ` for ${report.target}`;
  const heading = printable(`Exported ${report.backup} to ${where}${target}`);
  const lines = [
    out === '-' ? heading : styled(invocation, 'bold', heading),
    ...formatTotals(report),
    ...formatFunctions(report),
    ...formatProblems(report),
    `Took ${formatDuration(report.durationMs)}, ${formatBytes(report.bytes)}`,
    ...formatExpired(report, ttl),
  ];
  return `${lines.join('\n')}\n`;
}

function formatTotals({ databases, totals }: ExportReport): string[] {
  const touched = databases.filter(({ selected }) => selected > 0);
  if (touched.length === 0) return ['No key of the backup was selected'];
  // Of the rare outcomes only those that came up.
  const shown = OUTCOMES.filter((name, index) => index < 2 || totals[name] > 0);
  const rows = [
    ...touched.map((counts) => [`db ${counts.db}`, ...shown.map((n) => formatCount(counts[n]))]),
    ...(touched.length > 1 ? [['all', ...shown.map((name) => formatCount(totals[name]))]] : []),
  ];
  const columns = shown.map((name) => ({ title: name.toUpperCase(), align: 'right' as const }));
  return formatTable([{ title: '' }, ...columns], rows)
    .trimEnd()
    .split('\n');
}

function formatFunctions({ functions }: ExportReport): string[] {
  const { libraries, scripts, failed } = functions;
  const lines: string[] = [];
  const left = failed > 0 ? ` (${formatCount(failed)} left out)` : '';
  if (libraries > 0) lines.push(`Function libraries: ${formatCount(libraries)}${left}`);
  if (scripts > 0) lines.push(`Cached scripts: ${formatCount(scripts)}`);
  return lines;
}

function formatProblems({ problems, problemCount }: ExportReport): string[] {
  if (problemCount === 0) return [];
  const shown = problems.slice(0, MAX_PROBLEMS_SHOWN);
  const rest = problemCount - shown.length;
  return [
    `${formatAmount(problemCount, 'problem')}:`,
    ...shown.map(({ db, key, code, message }) =>
      printable(`  db ${db}, key ${key}: ${code}: ${message}`),
    ),
    ...(rest > 0 ? [`  and ${formatCount(rest)} more (--json lists more of them)`] : []),
  ];
}

function formatExpired({ totals }: ExportReport, ttl: TtlPolicy): string[] {
  const { expired } = totals;
  if (expired === 0) return [];
  const keys = `${formatAmount(expired, 'key')} ${expired === 1 ? 'was' : 'were'} not written: `;
  if (ttl === 'absolute') {
    return [
      `${keys}expired by now; --ttl remaining gives each the time it had left at the backup, ` +
        '--ttl persist keeps them for good',
    ];
  }
  return [`${keys}expired at the backup's instant already; --ttl persist keeps them for good`];
}
