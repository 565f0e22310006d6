import { Readable } from 'node:stream';
import { importRdb } from '../../src/backup/index.ts';
import { StreamScanner } from '../../src/commands/index.ts';
import {
  beginLineage,
  type LineageRecord,
  type Manifest,
  type Repository,
  type SegmentPiece,
  type SegmentRecord,
  shardId,
  type Source,
  storeSegment,
} from '../../src/repository/index.ts';
import type { RecordedPiece } from '../support/raw-replica.ts';

/** What somebody recorded of a replication link: an RDB, and the stream behind it. */
export type Recording = {
  readonly rdb: Buffer;
  readonly replid: string;
  /** Of the RDB, and where the stream begins. */
  readonly startOffset: number;
  readonly pieces: readonly RecordedPiece[];
  readonly server: { readonly family: string; readonly version: string };
};

export type StoredRecording = {
  readonly source: Source;
  readonly base: Manifest;
  readonly lineage: LineageRecord;
  readonly segments: readonly SegmentRecord[];
};

/** Of raw bytes; small, so that every log has many segments. */
const SEGMENT_BYTES = 6000;
/** How finely cuts are looked for. */
const STEP_BYTES = 64;

/** Makes a recording a repository's: the RDB a full backup, the stream a lineage of segments. */
export async function storeRecording(
  repository: Repository,
  recording: Recording,
  segmentBytes = SEGMENT_BYTES,
): Promise<StoredRecording> {
  const { replid, startOffset, server } = recording;
  const imported = await importRdb({
    repository,
    sourceName: 'recorded',
    files: ['-'],
    stdin: Readable.from([recording.rdb]),
  });
  const { source, manifest: base } = imported;
  const shard = shardId(0);
  const lineage = await beginLineage(repository, source.id, {
    shard,
    startedAt: new Date(recording.pieces[0]?.atMs ?? 0).toISOString(),
    startOffset,
    replid,
    server,
    databases: 16,
    gap: null,
  });
  const segments: SegmentRecord[] = [];
  for (const { from, to, database } of segmentPlaces(recording, segmentBytes)) {
    const last = segments.at(-1);
    const predecessor =
      last === undefined ? null : { name: last.name, digest: last.directoryDigest };
    segments.push(
      await storeSegment(repository, source.id, {
        shard,
        lineage: lineage.lineage,
        startOffset: from,
        database,
        replids: [{ offset: from, replid }],
        predecessor,
        pieces: piecesBetween(recording, from, to),
      }),
    );
  }
  return { source, base, lineage, segments };
}

type Place = { readonly from: number; readonly to: number; readonly database: number };

/** Whole stretches between cuts; what follows the last cut is left out. */
function segmentPlaces({ startOffset, pieces }: Recording, segmentBytes: number): Place[] {
  const places: Place[] = [];
  const scanner = new StreamScanner({ offset: startOffset, database: 0 });
  let from = startOffset;
  let database = 0;
  const end = (): void => {
    places.push({ from, to: scanner.cut, database });
    from = scanner.cut;
    database = scanner.cutDatabase;
  };
  for (const { bytes } of pieces) {
    for (let at = 0; at < bytes.length; at += STEP_BYTES) {
      scanner.push(bytes, at, Math.min(bytes.length, at + STEP_BYTES));
      if (scanner.cut - from >= segmentBytes) end();
    }
  }
  if (scanner.cut > from) end();
  return places;
}

async function* piecesBetween(
  { startOffset, pieces }: Recording,
  from: number,
  to: number,
): AsyncGenerator<SegmentPiece> {
  let at = startOffset;
  for (const { bytes, atMs } of pieces) {
    const part = bytes.subarray(Math.max(0, from - at), Math.max(0, to - at));
    at += bytes.length;
    if (part.length > 0) yield { bytes: part, atMs };
  }
}
