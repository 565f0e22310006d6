import type { KeyPredicate, NeededKeys } from '../../commands/index.ts';
import { ENTRY_TYPES, type EntrySelection, EntrySelector } from '../../entries/index.ts';
import { type EntryHeader, NONE } from '../../rdb/index.ts';

/** Whether a selection names keys or databases: a type alone can become of any key. */
export function canNarrow({ keys, match, databases }: EntrySelection): boolean {
  if (databases !== undefined) return true;
  if (match?.some(isAnyKey) === true) return false;
  return keys !== undefined || match !== undefined;
}

/** `*`, `**` */
function isAnyKey(glob: Uint8Array): boolean {
  return glob.length > 0 && glob.every((byte) => byte === 0x2a);
}

/** The keys that a selection can want, whatever they will be. */
export function wantedKeys(selection: EntrySelection): KeyPredicate {
  const selector = new EntrySelector({ ...selection, types: ENTRY_TYPES });
  const header: EntryHeader = {
    db: 0,
    key: Buffer.alloc(0),
    keyStart: 0,
    keyEnd: 0,
    rdbType: 0,
    kind: 'string',
    expireAtMs: NONE,
    idleSeconds: NONE,
    frequency: NONE,
    keyMeta: undefined,
  };
  return (database, key) => {
    header.db = database;
    header.key = key;
    header.keyEnd = key.length;
    return selector.wants(header);
  };
}

/**
 * The keys of a base that are needed, as a selection: these and perhaps others, never less. Others
 * do no harm: no command that is kept looks at them, and nobody reads them.
 */
export function baseSelectionFor(selection: EntrySelection, needed: NeededKeys): EntrySelection {
  const { databases, keys, match } = selection;
  const wanted = (databases ?? []).flatMap((database) => needed.databasesWith(database));
  const all = new Set(wanted);
  const named = new Map((keys ?? []).map((key) => [textOf(key), key]));
  for (const { databases: places, key } of needed.named()) {
    for (const place of places) all.add(place);
    named.set(textOf(key), key);
  }
  const isByName = keys !== undefined || match !== undefined;
  return {
    ...(databases !== undefined && { databases: [...all].sort((a, b) => a - b) }),
    ...(isByName && { keys: [...named.values()] }),
    ...(match !== undefined && { match }),
  };
}

function textOf(key: Uint8Array): string {
  return Buffer.from(key).toString('latin1');
}
