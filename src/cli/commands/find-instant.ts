import { findKey, type KeyInBackup } from '../../browse/index.ts';
import type { EntrySelection } from '../../entries/index.ts';
import type { Source } from '../../repository/index.ts';
import type { Invocation } from '../invocation.ts';
import { defined } from '../options/defined.ts';
import { choosePlace } from '../options/instant-option.ts';
import { type ChosenState, openState, type StateOptions } from '../options/state-option.ts';

/** One key at one instant; what is temporary goes when it is disposed of. */
export type FoundAtInstant = AsyncDisposable & {
  readonly source: Source;
  readonly found: KeyInBackup;
  readonly state: ChosenState;
};

/** Looks a key up at the instant that the options name. Throws what `chooseState` throws. */
export async function findAtInstant(
  invocation: Invocation,
  key: Buffer,
  databases: readonly number[] | undefined,
  options: StateOptions,
): Promise<FoundAtInstant> {
  const place = await choosePlace(invocation, undefined, options);
  const selection: EntrySelection = { keys: [key], ...defined({ databases }) };
  const state = await openState(invocation, place, options, { selection });
  const dispose = (): Promise<void> => Promise.resolve(state[Symbol.asyncDispose]());
  try {
    const { repository, manifest } = state;
    const { signal } = invocation.terminal;
    const request = { repository, source: state.source.id, key, signal, ...defined({ databases }) };
    for await (const backup of findKey(request)) {
      if (backup.backup !== manifest.id) continue;
      // Compared with nothing: what came before an instant is the log's to tell.
      const versions = backup.versions.map((version) => ({ ...version, change: null }));
      const found = { ...backup, backup: 'at the instant', versions };
      return { source: place.source, found, state, [Symbol.asyncDispose]: dispose };
    }
    throw new Error('a state that is not listed');
  } catch (error) {
    await dispose();
    throw error;
  }
}
