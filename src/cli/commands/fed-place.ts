import type { FeedSource, RecordedServer } from '../../replay/index.ts';
import {
  createFeedSource,
  type FeedParts,
  feedPartsOf,
  type FeedSourceOptions,
} from '../../rewind/index.ts';
import { CodedError } from '../../base/index.ts';
import type { ChosenPlace } from '../options/instant-option.ts';
import { pointDocument } from '../options/instant-text.ts';

/** What is done to expiries on the wire, as `--ttl` says it. */
export type FedTtl = 'absolute' | 'remaining' | 'persist';

/** A backup or an instant, as what a feed sends. */
export type FedPlace = {
  readonly parts: FeedParts;
  /** The instant that it is the state of, Unix milliseconds. */
  readonly atMs: number;
  readonly recordedFrom: RecordedServer;
  /** At least so many databases are needed. */
  readonly databases: number;
  /** What the data takes in memory, about. */
  readonly expectedBytes: number;
  /** Added to every expiry. */
  readonly shiftMs: number;
  readonly ttl: 'absolute' | 'persist';
  /** One for each replica. */
  source(options: Pick<FeedSourceOptions, 'allowInexact' | 'onNotice'>): FeedSource;
};

const USUAL_DATABASES = 16;

/** `nowMs`: from when on the remaining times count. */
export function fedPlaceOf(place: ChosenPlace, ttl: FedTtl, nowMs: number): FedPlace {
  const parts = place.kind === 'instant' ? feedPartsOf(place.plan) : partsOfBackup(place);
  const { base, log } = parts;
  const atMs = place.kind === 'instant' ? place.resolved.point.atMs : Date.parse(base.snapshotAt);
  const shiftMs = ttl === 'remaining' ? Math.max(0, nowMs - atMs) : 0;
  const policy = ttl === 'persist' ? 'persist' : 'recorded';
  const highest = Math.max(0, ...base.databases.map(({ db }) => db));
  const streamBytes = log === null ? 0 : log.toOffset - log.fromOffset;
  return {
    parts,
    atMs,
    recordedFrom: recordedFrom(place),
    databases: Math.max(log?.lineage.record.databases ?? USUAL_DATABASES, highest + 1),
    expectedBytes: base.totals.rawBytes + streamBytes,
    shiftMs,
    ttl: ttl === 'persist' ? 'persist' : 'absolute',
    source: (options) => createFeedSource(parts, { ...options, ttl: policy, shiftMs }),
  };
}

/** What it is, for `--json`. */
export function fedPlaceDocument(place: ChosenPlace) {
  const backup = place.kind === 'instant' ? place.plan.base.id : place.manifest.id;
  const instant = place.kind === 'instant' ? pointDocument(place.resolved, place.plan) : null;
  return { backup, instant };
}

export function describeFedPlace(place: ChosenPlace): string {
  if (place.kind === 'backup') return `backup ${place.manifest.id}`;
  return `the state at ${new Date(place.resolved.point.atMs).toISOString()}`;
}

function partsOfBackup(place: Extract<ChosenPlace, { kind: 'backup' }>): FeedParts {
  const { repository, manifest } = place;
  if (manifest.shards.length > 1) {
    const message = `Cannot feed one server with the ${manifest.shards.length} shards of ${manifest.id}`;
    throw new CodedError('SOURCE_UNSUPPORTED', message, {
      hint: 'Restore it to a cluster instead',
    });
  }
  return { repository, base: manifest, log: null };
}

function recordedFrom(place: ChosenPlace): RecordedServer {
  if (place.kind === 'instant') return place.plan.server;
  const [shard] = place.manifest.shards;
  return shard?.server ?? { family: 'unknown', version: null };
}
