import {
  DIFFERENCE_KINDS,
  type DatabaseDiff,
  type DiffCounts,
  type Difference,
  type DifferenceKind,
  type DiffReport,
  type PrefixDiff,
  type SideOfKey,
} from '../../browse/index.ts';
import { formatText } from '../../entries/index.ts';
import {
  formatAmount,
  formatBytes,
  formatCount,
  formatInstant,
  printable,
} from '../output/format.ts';
import type { Printer } from '../output/printer.ts';
import { formatTable } from '../output/text-table.ts';
import type { SideName } from './diff-sides.ts';
import { formatExpiry } from './find-report.ts';

/** Without --keys so many of each kind are shown. */
const SHOWN_OF_KIND = 20;
const SHOWN_PREFIXES = 20;
/** A document has more of them than a table. */
const LISTED_PREFIXES = 1000;
const KIND_WIDTH = Math.max(...DIFFERENCE_KINDS.map((kind) => kind.length));

export type DiffPrinting = {
  readonly mode: 'text' | 'json' | 'jsonl';
  /** All keys, not only the first. */
  readonly keys: boolean;
  readonly values: boolean;
  readonly sides: readonly [SideName, SideName];
};

/**
 * Prints differences as they are found, or keeps the first of each kind for the end. With --json it
 * writes one document piece by piece, as nobody knows how many keys it will name.
 */
export class DiffPrinter {
  readonly #printer: Printer;
  readonly #options: DiffPrinting;
  readonly #kept = new Map<DifferenceKind, Difference[]>();
  #isBegun = false;
  #printed = 0;

  constructor(printer: Printer, options: DiffPrinting) {
    this.#printer = printer;
    this.#options = options;
  }

  async print(some: readonly Difference[]): Promise<void> {
    const { mode, keys } = this.#options;
    if (keys || mode === 'jsonl') {
      await this.#write(some);
      return;
    }
    for (const difference of some) {
      const kept = this.#kept.get(difference.kind) ?? [];
      this.#kept.set(difference.kind, kept);
      if (kept.length < SHOWN_OF_KIND) kept.push(difference);
    }
  }

  /** Everything but the tables of the text. */
  async finish(report: DiffReport, notices: readonly string[]): Promise<void> {
    for (const kind of DIFFERENCE_KINDS) {
      const kept = this.#kept.get(kind) ?? [];
      await this.#write(kept.sort((a, b) => a.db - b.db || Buffer.compare(a.key, b.key)));
      const hidden = countOf(report.totals, kind) - kept.length;
      if (this.#options.mode !== 'text' || kept.length === 0 || hidden === 0) continue;
      await this.#printer.line(`${kind.padEnd(KIND_WIDTH)}  … and ${formatCount(hidden)} more`);
    }
    await this.#begin();
    if (this.#options.mode !== 'json') return;
    const document = reportDocument(report, notices);
    const rest = JSON.stringify(document, null, 2).slice(1);
    await this.#printer.write(`${this.#printed > 0 ? '\n  ' : ''}],${rest}\n`);
  }

  async #write(some: readonly Difference[]): Promise<void> {
    if (some.length === 0) return;
    await this.#begin();
    const { mode, values } = this.#options;
    let text = '';
    for (const difference of some) {
      if (mode === 'text') text += formatDifference(difference, values);
      else if (mode === 'jsonl') text += `${differenceJson(difference)}\n`;
      else text += `${this.#printed === 0 ? '' : ','}\n    ${differenceJson(difference)}`;
      this.#printed++;
    }
    await this.#printer.write(text);
  }

  async #begin(): Promise<void> {
    if (this.#isBegun) return;
    this.#isBegun = true;
    const { mode, sides } = this.#options;
    const [before, after] = sides;
    if (mode === 'text') {
      await this.#printer.write(`before  ${formatSide(before)}\nafter   ${formatSide(after)}\n\n`);
    }
    if (mode !== 'json') return;
    const head = JSON.stringify({ before, after }, null, 2);
    await this.#printer.write(`${head.slice(0, -2)},\n  "differences": [`);
  }
}

function formatSide({ backup, source, address, snapshotAt }: SideName): string {
  const name = backup === null ? address : `${source} ${backup}`;
  return `${printable(name ?? '')}, ${formatInstant(snapshotAt)}`;
}

function formatDifference({ kind, db, key, before, after }: Difference, values: boolean): string {
  const type = [...new Set([before?.type, after?.type])].filter((one) => one !== undefined);
  const facts = [type.join(' → ')];
  if (before !== null && after !== null && before.expireAtMs !== after.expireAtMs) {
    facts.push(`expires ${expiryOf(before)} → ${expiryOf(after)}`);
  }
  const name = printable(formatText(key));
  const line = `${kind.padEnd(KIND_WIDTH)}  db ${db}  ${name}  (${facts.join(', ')})\n`;
  if (!values) return line;
  return line + formatLine('-', before) + formatLine('+', after);
}

function expiryOf({ expireAtMs }: SideOfKey): string {
  return expireAtMs === null ? 'never' : formatExpiry(expireAtMs);
}

function formatLine(mark: string, side: SideOfKey | null): string {
  if (side === null) return '';
  const text = side.line === null ? '(too long to show)' : printable(side.line.toString('utf8'));
  return `  ${mark} ${text}\n`;
}

/** Built by hand: the stored lines are JSON already, and reading them could lose digits. */
function differenceJson({ kind, db, key, before, after }: Difference): string {
  const head = JSON.stringify({ change: kind, db, key: formatText(key) });
  return `${head.slice(0, -1)},"before":${sideJson(before)},"after":${sideJson(after)}}`;
}

function sideJson(side: SideOfKey | null): string {
  if (side === null) return 'null';
  const head = JSON.stringify({ type: side.type, expireAt: side.expireAtMs });
  return side.line === null ? head : `${head.slice(0, -1)},"entry":${side.line.toString('utf8')}}`;
}

function countOf(counts: DiffCounts, kind: DifferenceKind): number {
  return kind === 'ttl-changed' ? counts.ttlChanged : counts[kind];
}

function reportDocument(report: DiffReport, notices: readonly string[]): object {
  const { totals, databases, prefixes, otherPrefixes, read, skippedBytes, spilledBytes } = report;
  return {
    totals,
    databases,
    prefixes: prefixes
      .slice(0, LISTED_PREFIXES)
      .map(({ prefix, ...counts }) => ({ ...counts, prefix: formatText(prefix) })),
    otherPrefixes: otherPrefixes + sumOf(prefixes.slice(LISTED_PREFIXES)),
    read,
    skippedBytes,
    spilledBytes,
    notices: [...notices, ...report.notices],
  };
}

/** The tables at the end of the text. */
export function formatDiffReport(report: DiffReport): string {
  const { totals, databases, prefixes, otherPrefixes, read, skippedBytes } = report;
  const differences = totals.added + totals.removed + totals.changed + totals.ttlChanged;
  const cost =
    `read ${formatBytes(read.bytes)}` +
    (skippedBytes > 0 ? `, ${formatBytes(skippedBytes)} are the same on both sides` : '');
  if (differences === 0) {
    return `no differences: ${formatAmount(totals.equal, 'key')} with equal values; ${cost}\n`;
  }
  const others = otherPrefixes + sumOf(prefixes.slice(SHOWN_PREFIXES));
  const more = others > 0 ? `… and ${formatAmount(others, 'difference')} under others\n` : '';
  return (
    `\n${formatDatabases(databases, totals)}\n` +
    `${formatPrefixes(prefixes.slice(0, SHOWN_PREFIXES))}${more}\n` +
    `${formatAmount(differences, 'difference')}; ${cost}\n`
  );
}

const COUNTS = [
  { title: 'ADDED', align: 'right' },
  { title: 'REMOVED', align: 'right' },
  { title: 'CHANGED', align: 'right' },
  { title: 'TTL CHANGED', align: 'right' },
] as const;

function countCells(counts: Omit<DiffCounts, 'equal'>): string[] {
  const { added, removed, changed, ttlChanged } = counts;
  return [added, removed, changed, ttlChanged].map(formatCount);
}

function formatDatabases(databases: readonly DatabaseDiff[], totals: DiffCounts): string {
  const row = (name: string, counts: DiffCounts): string[] => [
    name,
    ...countCells(counts),
    formatCount(counts.equal),
  ];
  const rows = databases.map((counts) => row(String(counts.db), counts));
  const columns = [{ title: 'DB' }, ...COUNTS, { title: 'EQUAL', align: 'right' } as const];
  return formatTable(columns, rows.length > 1 ? [...rows, row('all', totals)] : rows);
}

function formatPrefixes(prefixes: readonly PrefixDiff[]): string {
  const rows = prefixes.map((counts) => [
    String(counts.db),
    counts.prefix.length === 0 ? '(none)' : `${formatText(counts.prefix)}:`,
    ...countCells(counts),
  ]);
  return formatTable([{ title: 'DB' }, { title: 'PREFIX' }, ...COUNTS], rows);
}

function sumOf(prefixes: readonly PrefixDiff[]): number {
  return prefixes.reduce(
    (sum, { added, removed, changed, ttlChanged }) => sum + added + removed + changed + ttlChanged,
    0,
  );
}
