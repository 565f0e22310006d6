import type { Command } from 'commander';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CodedError } from '../../base/index.ts';
import { diffBackups } from '../../browse/index.ts';
import { EXIT, type ExitStatus } from '../exit-codes.ts';
import { action, type Door, type Invocation, startMeter } from '../invocation.ts';
import { parseCount } from '../options/amounts.ts';
import { addConnectionOptions } from '../options/connection-options.ts';
import { defined } from '../options/defined.ts';
import { addSandboxOptions } from '../options/instant-option.ts';
import { addSelectionOptions } from '../options/selection-options.ts';
import { TransferProgress } from '../output/transfer-progress.ts';
import { MAX_WORKERS } from './backup.ts';
import { DiffPrinter, formatDiffReport } from './diff-report.ts';
import { chooseSides, type DiffSideOptions } from './diff-sides.ts';

type DiffOptions = DiffSideOptions & {
  readonly keys?: boolean;
  readonly values?: boolean;
  readonly jsonl?: boolean;
  readonly prefixDepth: number;
  readonly exitCode?: boolean;
  readonly temp?: string;
  readonly workers?: number;
};

/** Longer lines are not shown by --values: they would make of a difference a wall of text. */
const MAX_LINE_BYTES = 4096;

const EXAMPLES = `
Examples:
  tidemark diff latest~1 latest --repo ./backups
  tidemark diff 20261122t1230 latest --match 'cart:*' --keys --values
  tidemark diff before:last:FLUSHALL at:latest --match 'cart:*'
  tidemark diff latest redis://127.0.0.1:6379 --jsonl | jq -r 'select(.change=="removed").key'`;

export function addDiff(program: Command, door: Door): void {
  const command = program
    .command('diff')
    .summary('say what two backups differ in')
    .description(
      'Compares two backups key by key: which keys of B are new, gone, have another value or\n' +
        'another expiry than in A. A or B may be a running server, which is backed up for it into\n' +
        'the temporary folder, or an instant of the log. Ends with 0 whether or not there are\n' +
        'differences.',
    )
    .argument('<a>', 'id or unique beginning of one, latest~1, redis://…, at:14:02, before:MARK')
    .argument('<b>', 'after: the same')
    .option('--source <name>', 'of which source, where the repository has several')
    .option('--keys', 'print every key that differs instead of the first 20 of each kind')
    .option('--values', 'print small values too, as JSON Lines')
    .option('--jsonl', 'print one JSON line per key that differs, and nothing else')
    .option(
      '--prefix-depth <n>',
      'how many parts of a key, between colons, make the prefix it is counted under',
      parseCount('a number of parts', 16),
      1,
    )
    .option('--exit-code', 'end with 5 when there are differences')
    .option('--temp <folder>', "for temporary files, instead of the system's folder")
    .option(
      '--workers <n>',
      'threads that compute',
      parseCount('a number of threads', MAX_WORKERS),
    );
  command.option('--allow-inexact', 'compare also where the log cannot be replayed exactly');
  addSelectionOptions(command);
  addSandboxOptions(command);
  addConnectionOptions(command, 'TIDEMARK_PASSWORD')
    .addHelpText('after', EXAMPLES)
    .action(action(door, runDiff));
}

async function runDiff(
  invocation: Invocation,
  a: string,
  b: string,
  options: DiffOptions,
): Promise<ExitStatus> {
  const { terminal, printer, json } = invocation;
  const { jsonl = false, values = false } = options;
  if (json && jsonl) throw new CodedError('USAGE', 'Cannot print --json and --jsonl at once');
  const meter = startMeter(invocation);
  const folder = new TemporaryFolder(options.temp ?? tmpdir());
  try {
    const chosen = await chooseSides(invocation, meter, folder, [a, b], options);
    const transfer = new TransferProgress(terminal.clock);
    const [before, after] = chosen.sides;
    const found = new DiffPrinter(printer, {
      mode: json ? 'json' : jsonl ? 'jsonl' : 'text',
      keys: options.keys === true,
      values,
      sides: chosen.names,
    });
    const report = await diffBackups({
      before,
      after,
      selection: chosen.selection,
      prefixDepth: options.prefixDepth,
      lineBytes: values ? MAX_LINE_BYTES : 0,
      tempFolder: folder.parent,
      ...defined({ workers: options.workers }),
      onProgress: ({ phase, bytesDone, bytes }) =>
        meter.show(() =>
          phase === 'reading' ? transfer.formatBytes('Reading', bytesDone, bytes) : 'Comparing',
        ),
      onDifferences: async (some) => {
        meter.clear();
        await found.print(some);
      },
      signal: terminal.signal,
    });
    meter.end();
    for (const notice of [...chosen.notices, ...report.notices]) meter.note(`note: ${notice}`);
    await found.finish(report, chosen.notices);
    if (!json && !jsonl) await printer.write(formatDiffReport(report));
    const { added, removed, changed, ttlChanged } = report.totals;
    const differs = added + removed + changed + ttlChanged > 0;
    return differs && options.exitCode === true ? EXIT.attention : EXIT.done;
  } finally {
    meter.end();
    folder.remove();
  }
}

/** Made when first needed, gone when the command ends. */
export class TemporaryFolder {
  readonly parent: string;
  #path: string | undefined;

  constructor(parent: string) {
    this.parent = parent;
  }

  /** A path within it that nobody else has. Throws STORAGE_FAILED. */
  pathOf(name: string): string {
    try {
      this.#path ??= mkdtempSync(join(this.parent, 'tidemark-diff-'));
    } catch (error) {
      const found = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
      const message = `Cannot make a temporary folder in '${this.parent}': ${found}`;
      throw new CodedError('STORAGE_FAILED', message, {
        hint: 'Name a folder that can be written to by --temp',
        cause: error,
      });
    }
    return join(this.#path, name);
  }

  remove(): void {
    if (this.#path !== undefined) rmSync(this.#path, { recursive: true, force: true });
    this.#path = undefined;
  }
}
