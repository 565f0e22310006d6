import type { KeyStatistics, PrefixNode } from '../../browse/index.ts';
import { formatBytes, formatCount } from '../output/format.ts';
import { formatTable } from '../output/text-table.ts';

type Amount = { readonly keys: number; readonly bytes: number };

/** What `show --keys` prints: titles and their tables. Sizes are bytes as JSON Lines. */
export function formatStatistics(
  { databases, biggest, prefixes, bytes }: KeyStatistics,
  top: number,
): [title: string, text: string][] {
  const perDb = (group: 'types' | 'sizes' | 'expiry'): [string, Amount][] =>
    databases.flatMap(({ db, [group]: amounts }) =>
      Object.entries(amounts).map(([name, amount]): [string, Amount] => [`${db}  ${name}`, amount]),
    );
  const shown = flatten(prefixes)
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, top);
  const kept = new Set(shown);
  return [
    ['Sizes by type (as JSON)', amountTable('DB TYPE', perDb('types'), bytes)],
    ['Sizes of keys', amountTable('DB SIZE', perDb('sizes'), bytes)],
    ['Expiry at the instant of the backup', amountTable('DB EXPIRES', perDb('expiry'), bytes)],
    ['Biggest keys', biggestTable(biggest)],
    [
      'Prefixes (* stands for many different parts)',
      shown.length === 0 ? 'none\n' : prefixTable(prefixes, kept, bytes),
    ],
  ];
}

function amountTable(title: string, rows: readonly [string, Amount][], total: number): string {
  if (rows.length === 0) return 'none\n';
  return formatTable(
    [
      { title },
      { title: 'KEYS', align: 'right' },
      { title: 'BYTES', align: 'right' },
      { title: 'SHARE', align: 'right' },
    ],
    rows.map(([name, { keys, bytes }]) => [
      name,
      formatCount(keys),
      formatBytes(bytes),
      formatShare(bytes, total),
    ]),
  );
}

function biggestTable(biggest: KeyStatistics['biggest']): string {
  if (biggest.length === 0) return 'none\n';
  return formatTable(
    [
      { title: 'DB', align: 'right' },
      { title: 'BYTES', align: 'right' },
      { title: 'ELEMENTS', align: 'right' },
      { title: 'TYPE' },
      { title: 'KEY' },
    ],
    biggest.map(({ db, key, type, bytes, elements }) => [
      String(db),
      formatBytes(bytes),
      elements === null ? '-' : formatCount(elements),
      type,
      key,
    ]),
  );
}

function prefixTable(
  prefixes: readonly PrefixNode[],
  kept: ReadonlySet<PrefixNode>,
  total: number,
): string {
  const rows: string[][] = [];
  const walk = (nodes: readonly PrefixNode[], level: number): void => {
    for (const node of nodes) {
      // A prefix that is shown has every prefix that it lies below shown too: they are larger.
      if (!kept.has(node)) continue;
      rows.push([
        `${'  '.repeat(level)}${node.prefix}`,
        formatCount(node.keys),
        formatBytes(node.bytes),
        formatShare(node.bytes, total),
        formatCount(node.expiring),
      ]);
      walk(node.children, level + 1);
    }
  };
  walk(prefixes, 0);
  return formatTable(
    [
      { title: 'PREFIX' },
      { title: 'KEYS', align: 'right' },
      { title: 'BYTES', align: 'right' },
      { title: 'SHARE', align: 'right' },
      { title: 'WITH EXPIRY', align: 'right' },
    ],
    rows,
  );
}

function flatten(nodes: readonly PrefixNode[]): PrefixNode[] {
  return nodes.flatMap((node) => [node, ...flatten(node.children)]);
}

function formatShare(bytes: number, total: number): string {
  return total === 0 ? '-' : `${((bytes / total) * 100).toFixed(1)} %`;
}
