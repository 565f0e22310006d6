import { printable } from './format.ts';

export type Column = { readonly title: string; readonly align?: 'left' | 'right' };

/** Columns two spaces apart under their titles; no line ends in spaces. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]) {
  const titles = columns.map((column) => column.title);
  const all = [titles, ...rows.map((row) => row.map(printable))];
  const widths = columns.map((_, index) =>
    Math.max(...all.map((row) => widthOf(row[index] ?? ''))),
  );
  return all
    .map((row) =>
      columns
        .map((column, index) => pad(row[index] ?? '', widths[index], column.align === 'right'))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}

/** `name: value` lines with the values in one column; entries without a value are left out. */
export function formatFacts(facts: readonly (readonly [string, string | null])[]): string {
  const shown = facts.filter(([, value]) => value !== null);
  const width = Math.max(...shown.map(([name]) => name.length)) + 2;
  return shown
    .map(([name, value]) => `${`${name}:`.padEnd(width)}${printable(value ?? '')}\n`)
    .join('');
}

function pad(text: string, width: number, right: boolean): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(text)));
  return right ? space + text : text + space;
}

/** In characters: near enough to columns for what we print. */
function widthOf(text: string): number {
  return Array.from(text).length;
}
