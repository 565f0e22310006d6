import { type Command, Option } from 'commander';
import { CodedError } from '../../base/index.ts';
import { type KeyStatistics, measureKeys } from '../../browse/index.ts';
import type { Manifest, Source } from '../../repository/index.ts';
import { EXIT, type ExitStatus } from '../exit-codes.ts';
import { action, type Door, type Invocation, startMeter, styled } from '../invocation.ts';
import { parseCount } from '../options/amounts.ts';
import { type ChosenBackup, chooseBackup } from '../options/repository-option.ts';
import {
  formatAmount,
  formatBytes,
  formatCount,
  formatDuration,
  formatInstant,
} from '../output/format.ts';
import { formatFacts, formatTable } from '../output/text-table.ts';
import { TransferProgress } from '../output/transfer-progress.ts';
import { type InstanceSummary, summarizeInstance } from './instance-summary.ts';
import { formatStatistics } from './key-statistics.ts';

const EXAMPLES = `
Examples:
  tidemark show latest --repo ./backups
  tidemark show latest --keys --top 10
  tidemark show 20261122t1230 --json | jq .manifest.databases`;

type ShowOptions = {
  readonly source?: string;
  readonly keys?: boolean;
  readonly top: number;
  readonly prefixDepth: number;
  readonly separator: string;
};

export function addShow(program: Command, door: Door): void {
  program
    .command('show')
    .summary('show what is in a backup')
    .description(
      'Shows one backup: its instant, where it came from, keys by database and type, files, and\n' +
        'what else was kept of the instance.',
    )
    .argument('<backup>', 'id, unique beginning of one, or latest')
    .option('--source <name>', 'of which source, where the repository has several')
    .option('--keys', 'read the keys too: sizes, biggest keys, expiries, prefixes')
    .addOption(
      new Option('--top <n>', 'how many keys and prefixes of --keys to show')
        .argParser(parseCount('a number of keys', 10_000))
        .default(20),
    )
    .addOption(
      new Option('--prefix-depth <n>', 'how many parts of a key --keys looks at')
        .argParser(parseCount('a number of parts', 16))
        .default(3),
    )
    .option('--separator <character>', 'what separates the parts of a key', parseSeparator, ':')
    .addHelpText('after', EXAMPLES)
    .action(action(door, runShow));
}

async function runShow(
  invocation: Invocation,
  backup: string,
  options: ShowOptions,
): Promise<ExitStatus> {
  const { printer, terminal } = invocation;
  const chosen = await chooseBackup(invocation, backup, options.source);
  const instances = await summarizeInstances(chosen, terminal.signal);
  const { manifest, source } = chosen;
  const keys = options.keys === true ? await readKeys(invocation, chosen, options) : null;
  if (invocation.json) {
    const { id, name, kind, labels } = source;
    const document = { source: { id, name, kind, labels }, manifest, instances };
    await printer.document(keys === null ? document : { ...document, statistics: keys });
    return EXIT.done;
  }
  const head = (text: string): string => `\n${styled(invocation, 'bold', text)}\n`;
  await printer.write(formatBackup(manifest, source));
  await printer.write(head('Keys') + formatDatabases(manifest));
  await printer.write(head('Read from') + formatShards(manifest));
  await printer.write(head('Files') + formatFiles(manifest));
  for (const instance of instances) {
    await printer.write(head(`Instance record of shard ${instance.shard}`));
    await printer.write(formatInstance(instance));
  }
  if (keys !== null) {
    for (const [title, text] of formatStatistics(keys, options.top)) {
      await printer.write(head(title) + text);
    }
  }
  return EXIT.done;
}

async function readKeys(
  invocation: Invocation,
  { repository, manifest }: ChosenBackup,
  { top, prefixDepth, separator }: ShowOptions,
): Promise<KeyStatistics> {
  const { terminal } = invocation;
  const meter = startMeter(invocation);
  const transfer = new TransferProgress(terminal.clock);
  try {
    return await measureKeys({
      repository,
      manifest,
      separator,
      depth: prefixDepth,
      biggest: top,
      onProgress: (bytes, expectedBytes, keys) =>
        meter.show(() => transfer.format({ text: 'Reading keys', bytes, expectedBytes, keys })),
      signal: terminal.signal,
    });
  } finally {
    meter.end();
  }
}

function parseSeparator(text: string): string {
  if (/^[\x21-\x7e]$/.test(text)) return text;
  throw new CodedError('USAGE', `Cannot use '${text}' as a separator`, {
    hint: 'Give one visible character of ASCII, as in --separator /',
  });
}

async function summarizeInstances(
  { repository, manifest }: ChosenBackup,
  signal: AbortSignal,
): Promise<InstanceSummary[]> {
  const summaries: InstanceSummary[] = [];
  for (const file of manifest.files.filter(({ kind }) => kind === 'instance')) {
    summaries.push(await summarizeInstance(repository, file, signal));
  }
  return summaries;
}

function formatBackup(manifest: Manifest, source: Source): string {
  const { totals, labels, lossy, startedAt, endedAt } = manifest;
  const labelled = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  const losses = Object.entries(lossy).map(([reason, count]) => `${formatCount(count)} ${reason}`);
  const tookMs = Date.parse(endedAt) - Date.parse(startedAt);
  return formatFacts([
    ['backup', manifest.id],
    ['source', `${source.name} (${source.id})`],
    ['instant', formatInstant(manifest.snapshotAt)],
    ['started', formatInstant(startedAt)],
    ['ended', `${formatInstant(endedAt)}, after ${formatDuration(tookMs)}`],
    ['consistency', manifest.consistency],
    ['selection', formatSelection(manifest)],
    ['labels', labelled.length === 0 ? null : labelled.join(', ')],
    ['keys', formatCount(totals.keys)],
    ['size', `${formatBytes(totals.storedBytes)} stored, ${formatBytes(totals.rawBytes)} as JSON`],
    ['not exact', losses.length === 0 ? null : losses.join('; ')],
    ['written by', `${manifest.writer.name} ${manifest.writer.version}`],
  ]);
}

function formatSelection({ selection }: Manifest): string {
  const parts = Object.entries(selection).flatMap(([name, value]) =>
    value === null ? [] : [`${name} ${value.join(', ')}`],
  );
  return parts.length === 0 ? 'everything' : parts.join('; ');
}

function formatDatabases(manifest: Manifest): string {
  if (manifest.databases.length === 0) return 'none\n';
  return formatTable(
    [
      { title: 'DB', align: 'right' },
      { title: 'KEYS', align: 'right' },
      { title: 'WITH EXPIRY', align: 'right' },
      { title: 'EXPIRED', align: 'right' },
      { title: 'TYPES' },
    ],
    manifest.databases.map(({ db, keys, expiring, expired, types }) => [
      String(db),
      formatCount(keys),
      formatCount(expiring),
      formatCount(expired),
      Object.entries(types)
        .map(([type, count]) => `${type} ${formatCount(count)}`)
        .join(', '),
    ]),
  );
}

function formatShards(manifest: Manifest): string {
  return formatTable(
    [
      { title: 'SHARD' },
      { title: 'ADDRESS' },
      { title: 'ROLE' },
      { title: 'SERVER' },
      { title: 'RDB', align: 'right' },
      { title: 'CHECKSUM' },
      { title: 'REPLICATION OFFSET' },
    ],
    manifest.shards.map(({ shard, address, role, server, rdb, replication }) => [
      shard,
      address,
      role,
      `${server.family} ${server.version ?? ''}`.trim(),
      rdb === null ? '-' : `v${rdb.version}, ${formatBytes(rdb.bytes)}`,
      rdb?.checksum ?? '-',
      replication === null ? '-' : `${replication.replid.slice(0, 8)}…:${replication.offset}`,
    ]),
  );
}

function formatFiles({ files, totals }: Manifest): string {
  const entries = files.filter(({ kind }) => kind === 'entries');
  const blocks = formatAmount(totals.blocks, 'block');
  const folder = entries[0]?.name.replace(/[^/]*\/[^/]*$/, '') ?? '';
  const where = folder === '' ? '' : ` below ${folder}`;
  return `${formatAmount(files.length, 'file')}, ${blocks}${where}\n`;
}

function formatInstance(summary: InstanceSummary): string {
  const { functions, scripts, modules, forbidden } = summary;
  return formatFacts([
    ['functions', functions.length === 0 ? 'none' : functions.join(', ')],
    ['scripts', scripts === 0 ? 'none' : formatCount(scripts)],
    ['modules', modules.length === 0 ? 'none' : modules.join(', ')],
    ['settings', summary.settings === 0 ? 'not kept' : `${summary.settings} of CONFIG GET`],
    ['forbidden', forbidden.length === 0 ? null : forbidden.join(', ')],
    ['other', summary.other.length === 0 ? null : summary.other.join(', ')],
  ]);
}
