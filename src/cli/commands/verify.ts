import { Argument, type Command } from 'commander';
import { findBackup, findSource, type Repository } from '../../repository/index.ts';
import {
  type Finding,
  type LogReport,
  type RepositoryReport,
  verifyBackup,
  type VerifyLogOptions,
  type VerifyOptions,
  type VerifyReport,
  verifyRepository,
} from '../../verify/index.ts';
import { EXIT, type ExitStatus } from '../exit-codes.ts';
import { action, type Door, type Invocation, startMeter, styled } from '../invocation.ts';
import {
  addControlOption,
  ControlFollower,
  type ControlOptions,
} from '../options/control-option.ts';
import { openRepo } from '../options/repository-option.ts';
import { formatAmount, formatBytes, printable } from '../output/format.ts';
import { TransferProgress } from '../output/transfer-progress.ts';

type VerifyArguments = ControlOptions & { readonly source?: string };

const EXAMPLES = `
Examples:
  tidemark verify --repo ./backups          every backup and the whole log
  tidemark verify latest --source shop
  tidemark verify all --source shop --json`;

export function addVerify(program: Command, door: Door): void {
  const command = program
    .command('verify')
    .summary('prove that backups and logs can be read back')
    .description(
      'Reads backups as a restore would, without writing anything: every manifest, file, digest,\n' +
        'block and key. With "all", every segment of the log as well. Ends with 1 when anything is\n' +
        'damaged.',
    )
    .addArgument(
      new Argument('[backup]', 'id, unique beginning of one, latest, or all').default('all'),
    )
    .option('--source <name>', 'only this source');
  addControlOption(command).addHelpText('after', EXAMPLES).action(action(door, runVerify));
}

async function runVerify(
  invocation: Invocation,
  backup: string,
  options: VerifyArguments,
): Promise<ExitStatus> {
  const { terminal, printer, json } = invocation;
  const repository = await openRepo(invocation, 'read');
  const meter = startMeter(invocation);
  using control = new ControlFollower(invocation, meter, options);
  const transfer = new TransferProgress(terminal.clock);
  // The callbacks cannot wait; what they find is printed in order, and awaited in the end.
  let printed = Promise.resolve();
  const verifyOptions: VerifyOptions & VerifyLogOptions = {
    control: control.run,
    onProgress: ({ backup, bytesDone, bytes, filesDone, files }) =>
      meter.show(() => {
        const text = `${backup}: ${filesDone} of ${formatAmount(files, 'file')}`;
        return transfer.formatBytes(text, bytesDone, bytes);
      }),
    onLogProgress: ({ segmentsDone, segments, bytesDone, bytes }) =>
      meter.show(() => {
        const text = `log: ${segmentsDone} of ${formatAmount(segments, 'segment')}`;
        return transfer.formatBytes(text, bytesDone, bytes);
      }),
    onFinding: (finding) => {
      if (json) return;
      meter.clear();
      printed = printed.then(() => printer.write(formatFinding(invocation, finding)));
      // Seen at the end; until then a closed output is no reason to stop.
      printed.catch(() => {});
    },
  };
  try {
    const reports = await verify(repository, backup, options, verifyOptions, terminal.signal);
    meter.end();
    await printed;
    const parts = [...reports.backups, ...reports.logs, reports];
    const findings = parts.flatMap((part) => part.findings);
    if (json) await printer.document({ ok: findings.length === 0, ...reports });
    else await printer.write(formatReports(invocation, reports, findings.length));
    return findings.length === 0 ? EXIT.done : EXIT.failed;
  } finally {
    meter.end();
  }
}

async function verify(
  repository: Repository,
  backup: string,
  { source: name }: VerifyArguments,
  options: VerifyOptions & VerifyLogOptions,
  signal: AbortSignal,
): Promise<RepositoryReport> {
  if (backup === 'all' && name === undefined) {
    return await verifyRepository(repository, options, signal);
  }
  const source = await findSource(repository, name, signal);
  if (backup === 'all') {
    return await verifyRepository(repository, { ...options, source: source.id }, signal);
  }
  const { id } = await findBackup(repository, source.id, backup, signal);
  return {
    backups: [await verifyBackup(repository, source.id, id, options, signal)],
    logs: [],
    findings: [],
  };
}

function formatFinding(invocation: Invocation, finding: Finding): string {
  const block = finding.block === undefined ? '' : `, block ${finding.block}`;
  const mark = styled(invocation, 'red', 'damaged');
  return `${mark}  ${finding.code}: ${printable(finding.message)}\n         in ${printable(finding.object)}${block}\n`;
}

function formatReports(
  invocation: Invocation,
  { backups, logs }: RepositoryReport,
  findings: number,
): string {
  const lines = [
    ...backups.map((report) => [verdictOf(invocation, report), report.backup, backupFacts(report)]),
    ...logs.map((log) => [verdictOf(invocation, log), `log of ${log.source}`, logFacts(log)]),
  ].map((parts) => `${parts.join('  ')}\n`);
  const what = [formatAmount(backups.length, 'backup')];
  if (logs.length > 0) {
    const segments = logs.reduce((sum, log) => sum + log.segments, 0);
    what.push(formatAmount(segments, 'segment'));
  }
  const verdict = findings === 0 ? 'nothing is damaged' : formatAmount(findings, 'finding');
  return `${lines.join('')}${what.join(' and ')} verified: ${verdict}\n`;
}

function verdictOf(invocation: Invocation, report: { findings: readonly Finding[] }): string {
  return report.findings.length === 0
    ? styled(invocation, 'green', 'ok     ')
    : styled(invocation, 'red', 'damaged');
}

function backupFacts({ entries, files, bytes }: VerifyReport): string {
  return [formatAmount(entries, 'key'), formatAmount(files, 'file'), formatBytes(bytes)].join(', ');
}

function logFacts({ lineages, segments, bytes }: LogReport): string {
  const facts = [formatAmount(lineages, 'lineage'), formatAmount(segments, 'segment')];
  return [...facts, formatBytes(bytes)].join(', ');
}
