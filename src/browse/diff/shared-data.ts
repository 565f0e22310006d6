import { type EntrySelection, EntrySelector } from '../../entries/index.ts';
import { type DataFileRecord, openDataFile } from '../../repository/index.ts';
import { type DiffSide, nameOfUnit, standsAlone, type Unit, unitsOf } from './block-units.ts';
import type { DifferenceTally } from './difference-tally.ts';

/** So many blocks of the second backup are remembered: a hundred bytes each, a TiB of entries. */
const MAX_REMEMBERED = 1 << 20;

/**
 * What two backups have in common byte by byte and nobody needs to read: files that both name, and
 * blocks with the same stored SHA-256. Directories say how many keys there are in each, by
 * database; so a selection of single keys, patterns or types turns all this off.
 */
export class SharedData {
  readonly #tally: DifferenceTally;
  /** Units of the second backup by name, and how many there are. */
  readonly #after = new Map<string, number>();
  /** Those that were found in the first backup too, and are to be passed over in the second. */
  readonly #found = new Map<string, number>();
  #skippedBytes = 0;

  constructor(tally: DifferenceTally) {
    this.#tally = tally;
  }

  /** Stored bytes, of both sides, that were not read. */
  get skippedBytes(): number {
    return this.#skippedBytes;
  }

  /** Both sides without the files that they share; counts the keys of these as equal. */
  async withoutSharedFiles(
    before: DiffSide,
    after: DiffSide,
    selection: EntrySelection,
    signal?: AbortSignal,
  ): Promise<readonly [DiffSide, DiffSide]> {
    if (before.repository.id !== after.repository.id) return [before, after];
    const selector = new EntrySelector(selection);
    const named = new Map(after.manifest.files.map((file) => [file.name, file.digest]));
    const shared = new Set<string>();
    for (const record of before.manifest.files) {
      if (record.kind !== 'entries' || named.get(record.name) !== record.digest) continue;
      const file = await openDataFile(before.repository.storage, record, signal);
      // Where a long key crosses the end of a file, the next file has a say in it.
      if (!standsAlone(file)) continue;
      shared.add(record.name);
      this.#skippedBytes += record.size * 2;
      for (const { database, entries } of file.blocks) {
        if (selector.wantsDatabase(database)) this.#tally.equal(database, entries);
      }
    }
    return [without(before, shared), without(after, shared)];
  }

  /** Looks at the directories of the second backup. */
  async remember(after: DiffSide, selection: EntrySelection, signal?: AbortSignal): Promise<void> {
    for await (const unit of unitsOf(after, selection, signal)) {
      const name = nameOfUnit(unit);
      if (this.#after.size >= MAX_REMEMBERED && !this.#after.has(name)) continue;
      this.#after.set(name, (this.#after.get(name) ?? 0) + 1);
    }
  }

  /** True: the second backup has this unit of the first, and neither is to be read. */
  skipsBefore(unit: Unit): boolean {
    const name = nameOfUnit(unit);
    if (!takeOne(this.#after, name)) return false;
    this.#found.set(name, (this.#found.get(name) ?? 0) + 1);
    for (const { block } of unit.blocks) {
      if (block.entries > 0) this.#tally.equal(block.database, block.entries);
      this.#skippedBytes += block.storedLength;
    }
    return true;
  }

  /** The same for a unit of the second backup, after all of the first. */
  skipsAfter(unit: Unit): boolean {
    if (!takeOne(this.#found, nameOfUnit(unit))) return false;
    for (const { block } of unit.blocks) this.#skippedBytes += block.storedLength;
    return true;
  }
}

/** Whether keys can be counted by directories alone. */
export function selectsWholeDatabases(selection: EntrySelection): boolean {
  const { keys, match, exclude, types } = selection;
  return [keys, match, exclude, types].every((member) => member === undefined);
}

function takeOne(counts: Map<string, number>, name: string): boolean {
  const count = counts.get(name);
  if (count === undefined) return false;
  if (count === 1) counts.delete(name);
  else counts.set(name, count - 1);
  return true;
}

function without(side: DiffSide, names: ReadonlySet<string>): DiffSide {
  if (names.size === 0) return side;
  const isKept = ({ name }: DataFileRecord): boolean => !names.has(name);
  return { ...side, manifest: { ...side.manifest, files: side.manifest.files.filter(isKept) } };
}
