import { CodedError } from '../../base/index.ts';
import type { EntrySelection } from '../../entries/index.ts';
import { EXIT, type ExitStatus } from '../exit-codes.ts';
import type { Invocation } from '../invocation.ts';
import { chooseInstant, instantOf } from '../options/instant-option.ts';
import { pointDocument } from '../options/instant-text.ts';
import { openRepo } from '../options/repository-option.ts';
import { openState, type StateOptions } from '../options/state-option.ts';
import { backupDocument, formatBackupReport } from './backup-report.ts';

export type FromLogOptions = StateOptions & {
  readonly fromLog?: boolean;
  readonly label?: Readonly<Record<string, string>>;
};

/** A full backup of an instant, made without its source: of a backup and the log. */
export async function runBackupFromLog(
  invocation: Invocation,
  redis: string | undefined,
  options: FromLogOptions,
  selection: EntrySelection,
): Promise<ExitStatus> {
  if (redis !== undefined) {
    throw new CodedError('USAGE', 'Cannot name a server with --from-log: none is asked', {
      hint: 'Say of which source with --source',
    });
  }
  const { terminal, printer } = invocation;
  const begunAt = terminal.clock.monotonic();
  const wanted = instantOf(options, undefined) ?? ({ kind: 'at', text: 'latest' } as const);
  const instant = await chooseInstant(invocation, wanted, options.source);
  const repository = await openRepo(invocation, 'write');
  const place = { kind: 'instant', ...instant } as const;
  const { label: labels } = options;
  await using state = await openState(invocation, place, options, {
    selection,
    into: { repository },
    ...(labels && { labels }),
  });
  const { manifest, source, inexact } = state;
  const report = {
    id: manifest.id,
    source,
    manifest,
    receivedBytes: manifest.shards[0]?.rdb?.bytes ?? 0,
    durationMs: terminal.clock.monotonic() - begunAt,
    notices: inexact,
  };
  if (invocation.json) {
    const point = pointDocument(instant.resolved, instant.plan);
    await printer.document({ ...backupDocument(report), instant: point });
  } else {
    await printer.write(formatBackupReport(report));
  }
  return inexact.length > 0 ? EXIT.inexact : EXIT.done;
}
