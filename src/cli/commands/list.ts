import type { Command } from 'commander';
import { CodedError } from '../../base/index.ts';
import { type Manifest, readShardLogs, type Source } from '../../repository/index.ts';
import { EXIT, type ExitStatus } from '../exit-codes.ts';
import { action, type Door, type Invocation, styled } from '../invocation.ts';
import { chooseSources, openRepo } from '../options/repository-option.ts';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatLocalTime,
  formatUtc,
  printable,
} from '../output/format.ts';
import { formatTable } from '../output/text-table.ts';
import { type ListedBackup, readable, readBackups } from './listed-backups.ts';
import { formatLog, logDocument, type LogOverview, logOverview } from './list-log.ts';

type ListedSource = {
  readonly source: Source;
  readonly backups: readonly ListedBackup[];
  readonly log: LogOverview;
};

const EXAMPLES = `
Examples:
  tidemark list --repo ./backups
  tidemark list --source shop --json | jq -r '.sources[].backups[-1].id'`;

export function addList(program: Command, door: Door): void {
  program
    .command('list')
    .summary('show sources, their backups, and what can be restored')
    .description(
      'Shows every source of the repository and its backups, oldest first; of a recorded log, its\n' +
        'lineages, the ranges that can be restored to any moment, the gaps between them and why\n' +
        'they are there. Ends with 1 when a manifest or a part of the log is damaged.',
    )
    .option('--source <name>', 'only this source')
    .addHelpText('after', EXAMPLES)
    .action(action(door, runList));
}

async function runList(
  invocation: Invocation,
  options: { readonly source?: string },
): Promise<ExitStatus> {
  const { terminal, printer } = invocation;
  const repository = await openRepo(invocation, 'read');
  const sources = await chooseSources(repository, options.source, terminal.signal);
  const listed: ListedSource[] = [];
  for (const source of sources) {
    const backups = await readBackups(repository, source, terminal.signal);
    const shards = await readShardLogs(repository, source.id, terminal.signal);
    listed.push({ source, backups, log: logOverview(shards, readable(backups)) });
  }
  if (invocation.json) {
    await printer.document({ repository: repository.id, sources: listed.map(sourceDocument) });
  } else if (listed.length === 0) {
    await printer.line(`No backups yet in ${repository.storage.location}`);
  }
  const now = terminal.clock.now();
  for (const [index, { source, backups, log }] of listed.entries()) {
    if (invocation.json) break;
    if (index > 0) await printer.line('');
    await printer.line(formatSource(invocation, source));
    await printer.write(backups.length === 0 ? '  no backups\n' : formatBackups(backups, now));
    await printer.write(formatLog(log));
  }
  const isDamaged = listed.some(
    ({ backups, log }) =>
      backups.some(isUnreadable) || log.shards.some(({ findings }) => findings.length > 0),
  );
  return isDamaged ? EXIT.failed : EXIT.done;
}

function isUnreadable(backup: ListedBackup): boolean {
  return backup.manifest instanceof CodedError;
}

function formatSource(invocation: Invocation, source: Source): string {
  const labels = Object.entries(source.labels).map(([name, value]) =>
    printable(` ${name}=${value}`),
  );
  const name = styled(invocation, 'bold', source.name);
  return `${name} (${source.id}, ${source.kind})${labels.join('')}`;
}

function formatBackups(backups: readonly ListedBackup[], now: number): string {
  const rows = backups.map(({ id, manifest }) =>
    manifest instanceof CodedError ? [id, `unreadable: ${manifest.message}`] : row(manifest, now),
  );
  const readable = rows.filter((cells) => cells.length > 2);
  const table = formatTable(
    [
      { title: 'BACKUP' },
      { title: 'LOCAL TIME' },
      { title: 'UTC' },
      { title: 'AGE', align: 'right' },
      { title: 'KEYS', align: 'right' },
      { title: 'STORED', align: 'right' },
      { title: 'CONSISTENCY' },
      { title: 'SERVER' },
    ],
    readable,
  ).split('\n');
  const unreadable = rows
    .filter((cells) => cells.length === 2)
    .map((cells) => printable(cells.join('  ')));
  const lines = [...(readable.length > 0 ? table.slice(0, -1) : []), ...unreadable];
  return lines.map((line) => `  ${line}\n`).join('');
}

function row(manifest: Manifest, now: number): string[] {
  const { server } = manifest.shards[0] ?? {};
  const age = Math.max(0, now - Date.parse(manifest.snapshotAt));
  return [
    manifest.id,
    formatLocalTime(manifest.snapshotAt),
    formatUtc(manifest.snapshotAt),
    formatDuration(Math.floor(age / 1000) * 1000),
    formatCount(manifest.totals.keys),
    formatBytes(manifest.totals.storedBytes),
    manifest.consistency,
    `${server?.family ?? 'unknown'} ${server?.version ?? ''}`.trim(),
  ];
}

function sourceDocument({ source, backups, log }: ListedSource): object {
  const { id, name, kind, createdAt, labels } = source;
  const listed = backups.map(listedDocument);
  return { id, name, kind, createdAt, labels, backups: listed, log: logDocument(log) };
}

function listedDocument({ id, manifest }: ListedBackup): object {
  if (manifest instanceof CodedError) {
    return { id, error: { code: manifest.code, message: manifest.message } };
  }
  const { snapshotAt, startedAt, endedAt, consistency, totals, labels, lossy, shards } = manifest;
  return {
    id,
    snapshotAt,
    startedAt,
    endedAt,
    consistency,
    keys: totals.keys,
    storedBytes: totals.storedBytes,
    rawBytes: totals.rawBytes,
    databases: manifest.databases.map(({ db, keys }) => ({ db, keys })),
    server: shards[0]?.server ?? null,
    shards: shards.length,
    labels,
    lossy,
  };
}
