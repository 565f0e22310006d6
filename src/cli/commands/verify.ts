import { Argument, type Command } from 'commander';
import { findBackup, findSource, type Repository } from '../../repository/index.ts';
import {
  type Finding,
  verifyBackup,
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
  tidemark verify --repo ./backups          every backup of the repository
  tidemark verify latest --source shop
  tidemark verify all --source shop --json`;

export function addVerify(program: Command, door: Door): void {
  const command = program
    .command('verify')
    .summary('prove that backups can be read back')
    .description(
      'Reads backups as a restore would, without writing anything: every manifest, file, digest,\n' +
        'block and key. Ends with 1 when anything is damaged.',
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
  const verifyOptions: VerifyOptions = {
    control: control.run,
    onProgress: ({ backup, bytesDone, bytes, filesDone, files }) =>
      meter.show(() => {
        const text = `${backup}: ${filesDone} of ${formatAmount(files, 'file')}`;
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
    const findings = [...reports.backups.flatMap((report) => report.findings), ...reports.findings];
    if (json) await printer.document({ ok: findings.length === 0, ...reports });
    else await printer.write(formatReports(invocation, reports.backups, findings.length));
    return findings.length === 0 ? EXIT.done : EXIT.failed;
  } finally {
    meter.end();
  }
}

async function verify(
  repository: Repository,
  backup: string,
  { source: name }: VerifyArguments,
  options: VerifyOptions,
  signal: AbortSignal,
): Promise<{ backups: readonly VerifyReport[]; findings: readonly Finding[] }> {
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
  reports: readonly VerifyReport[],
  findings: number,
): string {
  const lines = reports.map((report) => {
    const isGood = report.findings.length === 0;
    const mark = isGood
      ? styled(invocation, 'green', 'ok     ')
      : styled(invocation, 'red', 'damaged');
    const facts = [
      formatAmount(report.entries, 'key'),
      formatAmount(report.files, 'file'),
      formatBytes(report.bytes),
    ];
    return `${mark}  ${report.backup}  ${facts.join(', ')}\n`;
  });
  const backups = formatAmount(reports.length, 'backup');
  const verdict =
    findings === 0
      ? `${backups} verified: nothing is damaged`
      : `${backups} verified: ${formatAmount(findings, 'finding')}`;
  return `${lines.join('')}${verdict}\n`;
}
