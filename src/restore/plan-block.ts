import type { BlockNotes } from './journal/block-notes.ts';
import { ABSENT, type BlockSight, DIFFERENT, EQUAL, PRINT_BYTES } from './look/block-sight.ts';
import type { ConflictPolicy } from './policies.ts';

/**
 * What is done about one key of a block. `write` takes nothing away from what exists; the ones
 * from `unchanged` on need no command: they say what became of the key already.
 */
export const ACTION = {
  write: 0,
  rename: 1,
  overwrite: 2,
  skip: 3,
  /** With the policy `fail`: the restore ends. */
  conflict: 4,
  unchanged: 5,
  restored: 6,
  renamed: 7,
  overwritten: 8,
  /** An application changed the key meanwhile. */
  changed: 9,
  /** An application changed the renamed copy meanwhile. */
  copyChanged: 10,
  /** Its time is over by now, or was while the task was interrupted. */
  expired: 11,
} as const;

export type Action = (typeof ACTION)[keyof typeof ACTION];

/** By command. `sight`: what the target has now; undefined where nothing was there to look at. */
export function planBlock(
  count: number,
  sight: BlockSight | undefined,
  policy: ConflictPolicy,
): Uint8Array {
  const actions = new Uint8Array(count);
  if (sight === undefined) return actions;
  const other = policy === 'fail' ? ACTION.conflict : ACTION[policy];
  for (let i = 0; i < count; i++) {
    const state = sight.states[i];
    actions[i] = state === ABSENT ? ACTION.write : state === EQUAL ? ACTION.unchanged : other;
  }
  return actions;
}

/**
 * The same for a block that an earlier run of the task began and did not finish: what is there may
 * be that run's work, or an application's since then. `notes` tell what was there before both;
 * undefined where they do not fit this block any more.
 */
export function planAgain(
  count: number,
  sight: BlockSight,
  notes: BlockNotes | undefined,
  policy: ConflictPolicy,
): Uint8Array {
  const actions = new Uint8Array(count);
  for (let i = 0; i < count; i++) actions[i] = planKeyAgain(i, sight, notes, policy);
  return actions;
}

function planKeyAgain(
  i: number,
  sight: BlockSight,
  notes: BlockNotes | undefined,
  policy: ConflictPolicy,
): Action {
  const now = sight.states[i];
  const before = notes?.states[i] ?? ABSENT;
  if (before === DIFFERENT) {
    // The target's own key stays, whatever has become of it: only the copy is this task's.
    if (policy === 'rename') return planCopy(sight.copies[i]);
    if (policy === 'skip') return ACTION.skip;
    if (now === EQUAL) return ACTION.overwritten;
    if (now === ABSENT) return ACTION.write;
    return isAsNoted(i, sight, notes) ? ACTION.overwrite : ACTION.changed;
  }
  if (now === ABSENT) return ACTION.write;
  if (now === EQUAL) return before === EQUAL ? ACTION.unchanged : ACTION.restored;
  // A copy of ours: the key appeared while the earlier run was writing.
  if (policy === 'rename' && sight.copies[i] === EQUAL) return ACTION.renamed;
  return ACTION.changed;
}

function planCopy(copy: number): Action {
  if (copy === ABSENT) return ACTION.rename;
  return copy === EQUAL ? ACTION.renamed : ACTION.copyChanged;
}

/** Whether the key is still what it was when the earlier run meant to overwrite it. */
function isAsNoted(i: number, { prints }: BlockSight, notes: BlockNotes | undefined): boolean {
  const [from, to] = [i * PRINT_BYTES, (i + 1) * PRINT_BYTES];
  const before = notes?.prints.subarray(from, to) ?? new Uint8Array(0);
  return before.length > 0 && Buffer.compare(before, prints.subarray(from, to)) === 0;
}
