import type { EntrySelection } from '../../entries/index.ts';
import type { Manifest, Repository, Source } from '../../repository/index.ts';
import { materialise, type MaterialiseRequest } from '../../rewind/index.ts';
import { type Invocation, startMeter } from '../invocation.ts';
import { TransferProgress } from '../output/transfer-progress.ts';
import {
  type ChosenInstant,
  type ChosenPlace,
  choosePlace,
  type InstantOptions,
  type SandboxOptions,
  sandboxOf,
} from './instant-option.ts';

export type StateOptions = InstantOptions &
  SandboxOptions & {
    readonly source?: string;
    readonly allowInexact?: boolean;
    readonly workers?: number;
  };

/** A backup to read: one of the repository, or an instant of the log that was made one. */
export type ChosenState = AsyncDisposable & {
  readonly repository: Repository;
  /** In that repository; of an instant a copy with another id. */
  readonly source: Source;
  readonly manifest: Manifest;
  /** For reports: the id of the backup, or `log:<lineage>@<offset>`. */
  readonly name: string;
  /** Null: an ordinary backup. */
  readonly instant: ChosenInstant | null;
  /** What could not be replayed exactly, and was allowed: one sentence each. */
  readonly inexact: readonly string[];
};

/**
 * The backup or the instant that a command was pointed at, ready to be read; what is temporary goes
 * when it is disposed of. `selection`: no more than this will be read. Throws what `choosePlace`
 * and `materialise` throw.
 */
export async function chooseState(
  invocation: Invocation,
  backup: string | undefined,
  options: StateOptions,
  selection: EntrySelection,
): Promise<ChosenState> {
  const place = await choosePlace(invocation, backup, options);
  return await openState(invocation, place, options, { selection });
}

/** The same for a place that was chosen before. */
export async function openState(
  invocation: Invocation,
  place: ChosenPlace,
  options: StateOptions,
  request: Pick<MaterialiseRequest, 'selection' | 'into' | 'labels'> = {},
): Promise<ChosenState> {
  if (place.kind === 'backup') {
    const { repository, source, manifest } = place;
    const nothing = {
      name: manifest.id,
      instant: null,
      inexact: [],
      [Symbol.asyncDispose]: async () => {},
    };
    return { repository, source, manifest, ...nothing };
  }
  const { plan } = place;
  const { terminal } = invocation;
  const meter = startMeter(invocation);
  const transfer = new TransferProgress(terminal.clock);
  try {
    const made = await materialise({
      plan,
      sandbox: sandboxOf(invocation, options),
      ...request,
      ...(options.allowInexact !== undefined && { allowInexact: options.allowInexact }),
      ...(options.workers !== undefined && { workers: options.workers }),
      onProgress: ({ text, bytes, expectedBytes }) =>
        meter.show(() =>
          bytes === 0 ? text : transfer.format({ text, bytes, expectedBytes, keys: null }),
        ),
      onNotice: (text) => meter.note(`note: ${text}`),
      signal: terminal.signal,
    });
    meter.end();
    for (const text of made.inexact) meter.note(`warning: ${text}`);
    const { repository, source, manifest, inexact } = made;
    return {
      repository,
      source,
      manifest,
      inexact,
      name: `log:${plan.point.lineage}@${plan.point.offset}`,
      instant: place,
      [Symbol.asyncDispose]: () => made.close(),
    };
  } finally {
    meter.end();
  }
}
