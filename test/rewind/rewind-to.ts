import type { EntrySelection } from '../../src/entries/index.ts';
import type { Repository, Source } from '../../src/repository/index.ts';
import {
  materialise,
  type MaterialiseRequest,
  planRewind,
  readHistory,
  type ResolvedInstant,
  resolveInstant,
  type RewindPlan,
  type WantedInstant,
} from '../../src/rewind/index.ts';
import { storedModel } from '../backup/stored-lines.ts';
import type { Model } from '../support/model.ts';
import { serverProgram } from '../support/server-program.ts';
import type { ServerName } from '../support/servers.ts';

/** Whose log it is. */
export type Logged = { readonly repository: Repository; readonly source: Source };

export type RewindOptions = {
  readonly sandbox: ServerName;
  readonly allowInexact?: boolean;
  readonly selection?: EntrySelection;
  readonly into?: MaterialiseRequest['into'];
  readonly side?: WantedInstant['side'];
};

export type Rewound = {
  /** The state, keys included whose expiry has passed. */
  readonly model: Model;
  readonly plan: RewindPlan;
  readonly inexact: readonly string[];
};

/** An instant of our clock, or one as people write it, as a plan. */
export async function planFor(
  { repository, source }: Logged,
  instant: number | string,
  side?: WantedInstant['side'],
): Promise<{ readonly plan: RewindPlan; readonly resolved: ResolvedInstant }> {
  const history = await readHistory(repository, source);
  const text = typeof instant === 'number' ? new Date(instant).toISOString() : instant;
  const wanted = { kind: 'at', text, ...(side && { side }) } as const;
  const resolved = await resolveInstant(history, wanted, { nowMs: Date.now() });
  return { plan: await planRewind(history, resolved.point), resolved };
}

/** The state at an instant, by way of a sandbox and the backup that is read of it. */
export async function rewindTo(
  logged: Logged,
  instant: number | string,
  options: RewindOptions,
): Promise<Rewound> {
  const { sandbox, allowInexact = false, selection, into, side } = options;
  const { plan } = await planFor(logged, instant, side);
  const state = await materialise({
    plan,
    sandbox: { server: serverProgram(sandbox) },
    allowInexact,
    ...(selection && { selection }),
    ...(into && { into }),
    workers: 1,
  });
  try {
    const model = await storedModel(state.repository, state.manifest);
    return { model, plan, inexact: state.inexact };
  } finally {
    await state.close();
  }
}
