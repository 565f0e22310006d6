import { CodedError } from '../../base/index.ts';
import { type EntrySelection, selectsEverything } from '../../entries/index.ts';
import {
  type AofExportReport,
  exportAof,
  type FeedParts,
  feedPartsOf,
  materialise,
  type RewindPlan,
} from '../../rewind/index.ts';
import { EXIT, type ExitStatus } from '../exit-codes.ts';
import { type Invocation, startMeter, styled } from '../invocation.ts';
import { defined } from '../options/defined.ts';
import {
  choosePlace,
  type InstantOptions,
  type SandboxOptions,
  sandboxOf,
} from '../options/instant-option.ts';
import { selectionOf } from '../options/selection-options.ts';
import { formatAmount, formatBytes, printable } from '../output/format.ts';
import type { ProgressMeter } from '../output/progress-meter.ts';
import type { ExportOptions } from './export.ts';

type Options = ExportOptions & InstantOptions & SandboxOptions;

/** A state to be written, and what is temporary of it. */
type State = AsyncDisposable & {
  readonly parts: FeedParts;
  readonly recordedFrom: { readonly family: string; readonly version: string | null };
  /** What could not be replayed exactly, and that was allowed. */
  readonly inexact: readonly string[];
};

const NOT_FOR_AOF = ['mapDb', 'ttl', 'functions', 'conflict', 'commands', 'compress'] as const;

export async function runAofExport(
  invocation: Invocation,
  backup: string | undefined,
  options: Options,
): Promise<ExitStatus> {
  checkOptions(options);
  const selection = selectionOf(options);
  const place = await choosePlace(invocation, backup, options);
  const meter = startMeter(invocation);
  try {
    await using state =
      place.kind === 'backup'
        ? stateOfBackup({ ...place, base: place.manifest, log: null })
        : await stateAtInstant(invocation, meter, place.plan, selection, options);
    const report = await exportAof({
      parts: state.parts,
      recordedFrom: state.recordedFrom,
      folder: options.out,
      selection,
      ...defined({
        force: options.force,
        target: options.for,
        allowInexact: options.allowInexact,
        workers: options.workers,
      }),
      onProgress: ({ phase, bytes }) => {
        const what = phase === 'base' ? 'Writing the base' : 'Writing the log';
        meter.show(() => `${what}: ${formatBytes(bytes)}`);
      },
      onNotice: (text) => meter.note(`note: ${text}`),
      signal: invocation.terminal.signal,
    });
    meter.end();
    return await tell(invocation, state, report);
  } finally {
    meter.end();
  }
}

function checkOptions(options: Options): void {
  const stray = NOT_FOR_AOF.find((name) => options[name] !== undefined);
  if (stray !== undefined) {
    const flag = stray.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new CodedError('USAGE', `Cannot use --${flag} with --format aof`, {
      hint: 'An AOF folder holds everything as it was recorded',
    });
  }
  if (options.out === '-') {
    throw new CodedError('USAGE', 'Cannot write an AOF folder to standard output', {
      hint: 'Name a folder with --out',
    });
  }
}

function stateOfBackup(parts: FeedParts): State {
  const [shard] = parts.base.shards;
  return {
    parts,
    recordedFrom: shard?.server ?? { family: 'unknown', version: null },
    inexact: [],
    [Symbol.asyncDispose]: async () => {},
  };
}

/** The log as it is where everything is wanted; otherwise what it leads to, selected from. */
async function stateAtInstant(
  invocation: Invocation,
  meter: ProgressMeter,
  plan: RewindPlan,
  selection: EntrySelection,
  options: Options,
): Promise<State> {
  if (selectsEverything(selection)) {
    const [unknown] = plan.unknownCommands;
    if (unknown !== undefined) {
      meter.note(`note: the server must know the commands ${plan.unknownCommands.join(', ')}`);
    }
    return { ...stateOfBackup(feedPartsOf(plan)), recordedFrom: plan.server };
  }
  const made = await materialise({
    plan,
    sandbox: sandboxOf(invocation, options),
    selection,
    ...defined({ allowInexact: options.allowInexact, workers: options.workers }),
    onProgress: ({ text }) => meter.show(() => text),
    onNotice: (text) => meter.note(`note: ${text}`),
    signal: invocation.terminal.signal,
  });
  const { repository, manifest, inexact } = made;
  return {
    parts: { repository, base: manifest, log: null },
    recordedFrom: plan.server,
    inexact,
    [Symbol.asyncDispose]: () => made.close(),
  };
}

async function tell(
  invocation: Invocation,
  { parts, inexact: replayed }: State,
  report: AofExportReport,
): Promise<ExitStatus> {
  const { json, printer } = invocation;
  const skipped = Object.entries(report.translation?.inexact ?? {}).map(
    ([name, { count, why }]) => `${count} × ${name}: ${why}`,
  );
  const inexact = [...replayed, ...skipped];
  const { folder, baseBytes, logBytes, commands, target } = report;
  if (json) {
    const backup = parts.base.id;
    await printer.document({ format: 'aof', backup, ...report, inexact });
  } else {
    const heading = printable(`Exported ${parts.base.id} to ${folder} for ${target}`);
    const log =
      report.translation === null
        ? ''
        : `Log: ${formatAmount(commands, 'command')}, ${formatBytes(logBytes)}\n`;
    const problems = inexact.map((text) => `Not exact: ${printable(text)}\n`).join('');
    await printer.write(
      `${styled(invocation, 'bold', heading)}\nBase: ${formatBytes(baseBytes)}\n${log}${problems}` +
        'A server that starts from it removes the keys whose time has passed\n',
    );
  }
  return inexact.length === 0 ? EXIT.done : EXIT.inexact;
}
