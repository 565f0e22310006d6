import type { DrillReport } from '../../rewind/index.ts';
import { type Invocation, styled } from '../invocation.ts';
import {
  formatAmount,
  formatCount,
  formatDuration,
  formatInstant,
  printable,
} from '../output/format.ts';
import { formatFacts } from '../output/text-table.ts';

const SHOWN = 20;

const PROOFS = {
  'backup-entries': "every key of the server against the backup's own entries",
  'second-path': 'every key of a server that loaded the exported log against one that was fed it',
} as const;

/** What `drill` prints; its last line says whether it was proven. */
export function formatDrillReport(invocation: Invocation, report: DrillReport): string {
  const { backup, instant, lineage, offset, server, proof, durationMs, keys, functions } = report;
  const place = lineage === null ? null : `offset ${offset} of lineage ${lineage}`;
  const facts = formatFacts([
    ['backup', backup],
    ['instant', formatInstant(instant)],
    ['log', place],
    ['restored to', server],
    ['compared', PROOFS[proof]],
    ['keys', keys === null ? null : formatKeys(keys)],
    [
      'functions',
      functions === null || functions.compared === 0
        ? null
        : `${formatAmount(functions.compared, 'library', 'libraries')}, ` +
          `${formatCount(functions.different.length)} different`,
    ],
    ['took', formatDuration(durationMs)],
  ]);
  return facts + formatDifferences(report) + formatVerdict(invocation, report);
}

function formatKeys(totals: NonNullable<DrillReport['keys']>): string {
  const { equal, added, removed, changed, ttlChanged } = totals;
  const counts = [
    [added, 'too many'],
    [removed, 'missing'],
    [changed, 'with another value'],
    [ttlChanged, 'with another expiry'],
  ] as const;
  const wrong = counts.filter(([count]) => count > 0);
  return [
    `${formatCount(equal)} equal`,
    ...wrong.map(([n, how]) => `${formatCount(n)} ${how}`),
  ].join(', ');
}

function formatDifferences({ differences, functions }: DrillReport): string {
  const lines = [
    ...differences.map(({ change, db, key }) => `${change.padEnd(11)}  db ${db}  ${key}`),
    ...(functions?.different ?? []).map((library) => `function     ${library}`),
  ];
  const rest = lines.length - SHOWN;
  const shown = lines.slice(0, SHOWN).map((line) => `${printable(line)}\n`);
  return shown.join('') + (rest > 0 ? `… and ${formatCount(rest)} more (--json)\n` : '');
}

function formatVerdict(invocation: Invocation, { outcome, error }: DrillReport): string {
  if (outcome === 'equal') return `${styled(invocation, 'green', 'Proven: all is equal')}\n`;
  const why =
    error === null ? 'what was restored differs' : `${error.code}: ${printable(error.message)}`;
  return `${styled(invocation, 'red', `NOT PROVEN: ${why}`)}\n`;
}
