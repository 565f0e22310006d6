import { Readable } from 'node:stream';
import { CommandReader, DependencyClosure, type NeededKeys } from '../../commands/index.ts';
import type { EntrySelection } from '../../entries/index.ts';
import type { FedPiece } from '../../replay/index.ts';
import { planBlocks, readLogStream } from '../../repository/index.ts';
import type { RewindPlan } from '../rewind-point.ts';
import { CommandFilter } from './command-filter.ts';
import { baseSelectionFor, canNarrow, wantedKeys } from './needed-selection.ts';

/** The part of a replay that is enough for some keys: they become what all of it makes of them. */
export type NarrowedReplay = {
  /** Of the base these keys, and perhaps more. */
  readonly baseSelection: EntrySelection;
  /** They are at most so large, uncompressed. */
  readonly baseBytes: number;
  /** What `readStream` gives. */
  readonly streamBytes: number;
  /** The commands that are needed, framed by SELECT and MULTI … EXEC, with their arrival times. */
  readStream(signal: AbortSignal): AsyncIterable<FedPiece>;
};

export type Narrowing = {
  /** Null: all of it has to be replayed. */
  readonly replay: NarrowedReplay | null;
  /** Why, where somebody who waits for it would like to know: half a sentence. */
  readonly because: string | null;
};

export type NarrowRequest = {
  readonly plan: RewindPlan;
  readonly selection: EntrySelection;
  /** Bytes of the log read so far. */
  readonly onProgress?: (text: string, bytes: number) => void;
  readonly signal?: AbortSignal;
};

/** More keys are no longer a few: to look for them costs what they save. */
const MANY_KEYS = 10_000;
/** Dependencies between keys are held in memory, a few hundred bytes each. */
const MANY_LINKS = 500_000;
/** What is kept of a log is held in memory up to so much; more is read once more. */
const HELD_BYTES = 8 << 20;
const HELD_PIECES = 20_000;
/** A replay of less is no wait that calls for a reason. */
const LONG_REPLAY_BYTES = 16 << 20;

/**
 * Finds out what the selected keys of a plan can depend on, by reading its log twice before it is
 * replayed: which keys, then which commands. Where that is everything, unknowable or much, there is
 * no narrowing. Throws STREAM_CORRUPT and the codes of reading the repository.
 */
export async function narrowReplay(request: NarrowRequest): Promise<Narrowing> {
  const { plan, selection, signal } = request;
  const none = (because: string | null): Narrowing => {
    const isLong = plan.base.totals.rawBytes + plan.streamBytes >= LONG_REPLAY_BYTES;
    return { replay: null, because: isLong ? because : null };
  };
  if (!canNarrow(selection)) return none(null);
  const closure = await readClosure(request);
  // What a replay would make of a log that ends within something is for the replay to say.
  if (closure === null) return none(null);
  if (closure.everythingBecause !== null) {
    return none(`the log has ${closure.everythingBecause}, which may touch any key`);
  }
  const tooMany = 'the selected keys may depend on too many others';
  if (closure.links > MANY_LINKS) return none(tooMany);
  const needed = closure.close(wantedKeys(selection));
  const baseSelection = baseSelectionFor(selection, needed);
  if ((baseSelection.keys?.length ?? 0) > MANY_KEYS) return none(tooMany);
  const { bytes, pieces } = await readKept(request, needed);
  const replay = {
    baseSelection,
    baseBytes: await bytesOfBase(plan, baseSelection, signal),
    streamBytes: bytes,
    readStream: (stop: AbortSignal) =>
      pieces === null ? keptPieces(plan, needed, stop) : Readable.from(pieces),
  };
  return { replay, because: null };
}

/** What commands carry from key to key; as soon as that is too much, what was learned till then. */
async function readClosure(request: NarrowRequest): Promise<DependencyClosure | null> {
  const { plan, onProgress, signal } = request;
  const { repository, log, fromOffset, startDatabase, point } = plan;
  const closure = new DependencyClosure();
  const reader = new CommandReader({ offset: fromOffset, database: startDatabase });
  const stream = readLogStream(repository, log, fromOffset, point.offset, signal);
  for await (const { bytes, offset } of stream) {
    reader.push(bytes, 0, bytes.length, (command) => closure.add(command));
    onProgress?.('Looking for what the keys depend on', offset + bytes.length - fromOffset);
    if (closure.everythingBecause !== null || closure.links > MANY_LINKS) return closure;
  }
  return reader.isWithinCommand || reader.inTransaction ? null : closure;
}

type Kept = { readonly bytes: number; readonly pieces: readonly FedPiece[] | null };

/** What will be sent: its size, and itself where that is little. */
async function readKept(request: NarrowRequest, needed: NeededKeys): Promise<Kept> {
  const { plan, onProgress, signal } = request;
  let pieces: FedPiece[] | null = [];
  let bytes = 0;
  const show = (read: number): void => onProgress?.('Looking for what the keys need', read);
  for await (const piece of keptPieces(plan, needed, signal, show)) {
    bytes += piece.bytes.length;
    if (bytes > HELD_BYTES || pieces?.length === HELD_PIECES) pieces = null;
    pieces?.push(piece);
  }
  return { bytes, pieces };
}

async function* keptPieces(
  { repository, log, fromOffset, startDatabase, point }: RewindPlan,
  needed: NeededKeys,
  signal: AbortSignal | undefined,
  onRead?: (bytes: number) => void,
): AsyncGenerator<FedPiece> {
  const filter = new CommandFilter(needed, { offset: fromOffset, database: startDatabase });
  const stream = readLogStream(repository, log, fromOffset, point.offset, signal);
  for await (const { bytes, offset, atMs } of stream) {
    const kept = filter.push(bytes);
    onRead?.(offset + bytes.length - fromOffset);
    if (kept.length > 0) yield { bytes: kept, atMs };
  }
}

/** Blocks that hold a needed key hold others too: it is what the keys take at most. */
async function bytesOfBase(
  { repository, base }: RewindPlan,
  selection: EntrySelection,
  signal: AbortSignal | undefined,
): Promise<number> {
  let bytes = 0;
  for await (const { block } of planBlocks(repository, base, selection, signal)) {
    bytes += block.rawLength;
  }
  return bytes;
}
