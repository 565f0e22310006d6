import type { Command } from 'commander';
import { dirname } from 'node:path';
import { type CaptureStatus, readCaptureStatus } from '../../capture/index.ts';
import {
  readReports,
  readShardLogs,
  type Repository,
  type Source,
  type StoredReport,
} from '../../repository/index.ts';
import { EXIT, type ExitStatus } from '../exit-codes.ts';
import { action, type Door, type Invocation, styled } from '../invocation.ts';
import { parseDuration } from '../options/durations.ts';
import { chooseSources, openRepo } from '../options/repository-option.ts';
import { formatAmount, formatBytes, formatDuration, formatInstant } from '../output/format.ts';
import { formatFacts } from '../output/text-table.ts';
import { formatSpan, gapDocument, logOverview, rangeDocument } from './list-log.ts';
import { readable, readBackups } from './listed-backups.ts';
import { defaultStateFolder } from './restore-state.ts';
import { judgeProtection, type Protection, type ProtectionFacts } from './status-judgement.ts';

type StatusOptions = {
  readonly source?: string;
  readonly rpo: number;
  readonly backupAge: number;
};

/** So many reports are looked at for the last drill and the last failure. */
const REPORTS = 50;

const DEFAULT_RPO = '30m';
const DEFAULT_BACKUP_AGE = '2d';

const EXAMPLES = `
Examples:
  tidemark status --repo ./backups
  tidemark status --source shop --rpo 2m --json | jq '.sources[].attention'`;

export function addStatus(program: Command, door: Door): void {
  program
    .command('status')
    .summary('am I protected?')
    .description(
      'Says of every source what could be brought back now: the last full backup, the range that\n' +
        'can be restored to any moment, what would be lost if the source were lost now, gaps, and\n' +
        'the last drill. Ends with 5 when something needs attention, and says what.',
    )
    .option('--source <name>', 'only this source')
    .option(
      '--rpo <duration>',
      'attention when more than this would be lost, where a log is recorded',
      parseDuration,
      parseDuration(DEFAULT_RPO),
    )
    .option(
      '--backup-age <duration>',
      'attention when the newest backup is older, where no log is recorded',
      parseDuration,
      parseDuration(DEFAULT_BACKUP_AGE),
    )
    .addHelpText('after', EXAMPLES)
    .action(action(door, runStatus));
}

type SourceStatus = {
  readonly source: Source;
  readonly facts: ProtectionFacts;
  readonly protection: Protection;
};

async function runStatus(invocation: Invocation, options: StatusOptions): Promise<ExitStatus> {
  const { terminal, printer } = invocation;
  const repository = await openRepo(invocation, 'read');
  const sources = await chooseSources(repository, options.source, terminal.signal);
  const statuses: SourceStatus[] = [];
  for (const source of sources) {
    const facts = await readFacts(invocation, repository, source);
    const limits = { rpoMs: options.rpo, backupAgeMs: options.backupAge };
    statuses.push({ source, facts, protection: judgeProtection(facts, limits) });
  }
  const ok = statuses.length > 0 && statuses.every((status) => isProtected(status));
  if (invocation.json) {
    await printer.document({ ok, repository: repository.id, sources: statuses.map(document) });
  } else if (statuses.length === 0) {
    await printer.line(`Nothing is protected: no backups yet in ${repository.storage.location}`);
  }
  for (const [index, status] of statuses.entries()) {
    if (invocation.json) break;
    if (index > 0) await printer.line('');
    await printer.write(formatStatus(invocation, status));
  }
  return ok ? EXIT.done : EXIT.attention;
}

async function readFacts(
  { terminal }: Invocation,
  repository: Repository,
  source: Source,
): Promise<ProtectionFacts> {
  const { signal, clock, env } = terminal;
  const backups = await readBackups(repository, source, signal);
  const shards = await readShardLogs(repository, source.id, signal);
  const reports: StoredReport[] = [];
  for await (const report of readReports(repository, source.id, signal)) {
    if (reports.push(report) === REPORTS) break;
  }
  const stateFolder = dirname(defaultStateFolder(env));
  const captures: CaptureStatus[] = [];
  // A capture that has only just begun has stored nothing yet.
  const ids = shards.length === 0 ? [undefined] : shards.map(({ shard }) => shard);
  for (const shard of ids) {
    const status = await readCaptureStatus(stateFolder, repository.id, source.id, shard);
    if (status !== null) captures.push(status);
  }
  const log = logOverview(shards, readable(backups));
  return { nowMs: clock.now(), backups, log, reports, captures };
}

function isProtected({ protection }: SourceStatus): boolean {
  return protection.attention.length === 0;
}

function formatStatus(invocation: Invocation, status: SourceStatus): string {
  const { source, facts, protection } = status;
  const verdict = isProtected(status)
    ? styled(invocation, 'green', 'protected')
    : styled(invocation, 'red', 'needs attention');
  const name = styled(invocation, 'bold', source.name);
  const { lastFull, ranges, lastDrill } = protection;
  const age = (time: string) => formatDuration(Math.max(0, facts.nowMs - Date.parse(time)));
  const lines = formatFacts([
    [
      'last full backup',
      lastFull === null
        ? 'none'
        : `${lastFull.id}, ${formatInstant(lastFull.snapshotAt)}, ${age(lastFull.snapshotAt)} ago`,
    ],
    ...(ranges.length === 0 && facts.log.shards.length > 0
      ? [['restorable', 'nothing of the newest lineage'] as const]
      : []),
    ...ranges.map((range) => {
      const shard = ranges.length > 1 ? ` of shard ${range.shard}` : '';
      return ['restorable', `${formatSpan(range.fromMs, range.toMs)}${shard}`] as const;
    }),
    ['would be lost now', formatLoss(protection)],
    ['gaps', formatGaps(facts)],
    ...facts.captures.map((capture) => ['capture', formatCapture(capture)] as const),
    [
      'last drill',
      lastDrill === null
        ? 'never'
        : `${lastDrill.passed ? 'passed' : 'failed'} ${age(lastDrill.storedAt)} ago`,
    ],
    [
      'last failure',
      protection.lastFailure === null
        ? null
        : `task ${protection.lastFailure.task}, ${age(protection.lastFailure.storedAt)} ago`,
    ],
    ...protection.attention.map(({ text }) => ['attention', text] as const),
  ]);
  const indented = lines.replace(/^(?=.)/gm, '  ');
  return `${name} (${source.id}, ${source.kind}): ${verdict}\n${indented}`;
}

function formatLoss({ rpoMs, storedRpoMs }: Protection): string {
  if (rpoMs === null) return 'everything';
  const loss = `the last ${formatDuration(rpoMs)}`;
  if (storedRpoMs === null || storedRpoMs <= rpoMs) return loss;
  return `${loss} (${formatDuration(storedRpoMs)} with this machine)`;
}

function formatGaps({ log }: ProtectionFacts): string {
  const last = log.gaps.at(-1);
  if (last === undefined) return 'none';
  const span = formatSpan(last.from.ms, last.to.ms);
  return `${formatAmount(log.gaps.length, 'gap')}, the last ${span}: ${last.why}`;
}

function formatCapture({ phase, text, lagBytes, spoolBytes, node }: CaptureStatus): string {
  const lag = lagBytes === null ? '' : `, ${formatBytes(lagBytes)} behind`;
  const where = node === null ? '' : ` from ${node}`;
  return `${phase}${where}${lag}, ${formatBytes(spoolBytes)} in the spool; ${text}`;
}

function document({ source, facts, protection }: SourceStatus): object {
  const { lastFull, ranges, rpoMs, storedRpoMs, recentGaps, lastDrill, lastFailure } = protection;
  return {
    id: source.id,
    name: source.name,
    kind: source.kind,
    ok: protection.attention.length === 0,
    lastFull:
      lastFull === null
        ? null
        : {
            id: lastFull.id,
            snapshotAt: lastFull.snapshotAt,
            ageMs: Math.max(0, facts.nowMs - Date.parse(lastFull.snapshotAt)),
          },
    ranges: ranges.map(rangeDocument),
    rpoMs,
    storedRpoMs,
    gaps: facts.log.gaps.map(gapDocument),
    recentGaps: recentGaps.length,
    captures: facts.captures,
    lastDrill,
    lastFailure,
    attention: protection.attention,
  };
}
