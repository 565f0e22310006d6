import { CodedError, isCoded } from '../base/index.ts';
import {
  type EntryType,
  entryType,
  JsonLineReader,
  type LineHeader,
  type ValueDigest,
} from '../entries/index.ts';
import {
  type DataFileReader,
  type DataFileRecord,
  keySlot,
  type Manifest,
  murmur3,
  openBlock,
  openDataFile,
  type Repository,
  slotRange,
} from '../repository/index.ts';
import { inOrder } from './in-order.ts';
import { MeasuredValue } from './measured-value.ts';

/** One key as one backup holds it. */
export type KeyFacts = {
  readonly db: number;
  readonly type: EntryType;
  /** Unix milliseconds; null: does not expire. */
  readonly expireAtMs: number | null;
  /** Bytes of the value's texts. */
  readonly bytes: number;
  /** Items, members, fields, stream entries; null where there are none to count. */
  readonly elements: number | null;
  readonly digest: ValueDigest;
  /** Reads the lines of the key again, each with its newline. */
  readonly readLines: () => AsyncGenerator<Buffer>;
};

export type Wanted = {
  readonly repository: Repository;
  readonly manifest: Manifest;
  readonly key: Uint8Array;
  readonly databases?: readonly number[] | undefined;
  readonly signal?: AbortSignal | undefined;
};

/** Where a key was found. */
type Place = {
  readonly file: DataFileReader;
  /** The block in which it begins, and its bytes. */
  readonly index: number;
  readonly raw: Buffer;
  readonly lineStart: number;
  readonly lineEnd: number;
};

const FILES_AT_ONCE = 6;
/** Blocks of one long key that are read by one request. */
const BLOCKS_AT_ONCE = 8;

/**
 * A key in every database of a backup that has it. For a file it reads the directory, the filters
 * of the key's slot range, and the blocks that these do not rule out: three requests, or two.
 * Throws what reading the repository throws.
 */
export async function findInBackup(wanted: Wanted): Promise<KeyFacts[]> {
  const { key, manifest } = wanted;
  const slot = keySlot(key, 0, key.length);
  const files = filesOfSlot(manifest, slot);
  const facts: KeyFacts[] = [];
  for await (const places of inOrder(files, FILES_AT_ONCE, (file) => findInFile(wanted, file))) {
    for (const place of places) facts.push(await readFacts(wanted, place));
  }
  return facts.sort((a, b) => a.db - b.db);
}

/** The files of the shards that owned the slot; all where nobody knows. */
function filesOfSlot(manifest: Manifest, slot: number): DataFileRecord[] {
  const owners = manifest.shards.filter(
    ({ slots }) => slots === null || slots.some(([first, last]) => slot >= first && slot <= last),
  );
  // A slot that is being moved may be nobody's: then its keys are wherever they are.
  const shards = new Set((owners.length > 0 ? owners : manifest.shards).map(({ shard }) => shard));
  return manifest.files.filter(({ kind, shard }) => kind === 'entries' && shards.has(shard));
}

async function findInFile(wanted: Wanted, record: DataFileRecord): Promise<Place[]> {
  const { repository, key, databases, signal } = wanted;
  const file = await openDataFile(repository.storage, record, signal);
  const range = slotRange(keySlot(key, 0, key.length), file.slotRanges);
  const candidates = await file.candidateBlocks(murmur3(key, 0, key.length), range, signal);
  const places: Place[] = [];
  const reader = new JsonLineReader();
  for (const index of candidates) {
    const { database, continues } = file.blocks[index];
    // A key is found where it begins.
    if (continues || databases?.includes(database) === false) continue;
    const raw = await file.readBlock(index, signal);
    reader.open(raw, 0, raw.length);
    while (reader.next()) {
      if (!isKey(reader.header, key)) continue;
      const { lineStart, lineEnd } = reader;
      places.push({ file, index, raw, lineStart, lineEnd });
      break;
    }
  }
  return places;
}

function isKey(header: LineHeader, key: Uint8Array): boolean {
  const { keyStart, keyEnd } = header;
  if (keyEnd - keyStart !== key.length) return false;
  for (let i = 0; i < key.length; i++) if (header.key[keyStart + i] !== key[i]) return false;
  return true;
}

async function readFacts(wanted: Wanted, place: Place): Promise<KeyFacts> {
  const reader = new JsonLineReader();
  const value = new MeasuredValue();
  reader.open(place.raw, place.lineStart, place.lineEnd + 1);
  reader.next();
  reader.readValue(value);
  if (reader.header.more) {
    for await (const raw of furtherBlocks(wanted, place)) {
      reader.open(raw, 0, raw.length);
      while (reader.next()) reader.readValue(value);
    }
  }
  const { db, expireAtMs } = reader.header;
  const { file, index, lineStart, lineEnd } = place;
  // Not the block itself: whoever keeps many answers must not keep as many blocks.
  const readLines = (): AsyncGenerator<Buffer> =>
    readAgain(wanted, { file, index, lineStart, lineEnd });
  return {
    db,
    type: entryType(reader.header),
    expireAtMs: expireAtMs < 0 ? null : expireAtMs,
    bytes: value.bytes,
    elements: value.elements,
    digest: value.digest(),
    readLines,
  };
}

async function* readAgain(wanted: Wanted, place: Omit<Place, 'raw'>): AsyncGenerator<Buffer> {
  const { file, index, lineStart, lineEnd } = place;
  const raw = await file.readBlock(index, wanted.signal);
  yield raw.subarray(lineStart, lineEnd + 1);
  if (file.blocks[index].firstPart) yield* furtherBlocks(wanted, { ...place, raw });
}

/** The blocks in which a long key goes on, also in the shard's next files. */
async function* furtherBlocks(wanted: Wanted, place: Place): AsyncGenerator<Buffer> {
  const { repository, manifest, signal } = wanted;
  let { file } = place;
  let first = place.index + 1;
  for (;;) {
    const end = endOfKey(file, first);
    while (first < end) {
      const count = Math.min(BLOCKS_AT_ONCE, end - first);
      const stored = await file.readStored(first, count, signal);
      for (const [i, bytes] of stored.entries()) yield openPart(file, first + i, bytes);
      first += count;
    }
    if (end < file.blocks.length) return;
    const { shard, sequence, kind } = file.record;
    const next = manifest.files.find(
      (other) => other.kind === kind && other.shard === shard && other.sequence === sequence + 1,
    );
    if (next === undefined) return;
    file = await openDataFile(repository.storage, next, signal);
    first = 0;
  }
}

function openPart(file: DataFileReader, index: number, stored: Buffer): Buffer {
  try {
    return openBlock(stored, file.blocks[index]);
  } catch (error) {
    if (!isCoded(error)) throw error;
    const { name: object } = file.record;
    const message = `Cannot read '${object}': block ${index}: ${error.message}`;
    throw new CodedError(error.code, message, { object, cause: error });
  }
}

function endOfKey(file: DataFileReader, first: number): number {
  let end = first;
  while (end < file.blocks.length && file.blocks[end].continues) end++;
  return end;
}
