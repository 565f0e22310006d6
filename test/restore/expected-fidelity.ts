import type { RestoreReport } from '../../src/restore/index.ts';
import type { KeyModel, Model, StreamModel } from '../support/model.ts';
import type { ServerBinary } from '../support/servers.ts';
import { type Truth, diffModels } from '../support/truth.ts';

/**
 * What a target can hold of a source's data, said from what is known of the servers and not from
 * what the encoder says: the expectation against which a restore is judged.
 */
export type Expectation = {
  /** What must be found in the target. */
  readonly model: Model;
  /** Keys that it cannot hold, and those that are written with a loss; see `problemName`. */
  readonly failed: ReadonlySet<string>;
  readonly inexact: ReadonlySet<string>;
};

type Versioned = Pick<ServerBinary, 'family' | 'version'>;

function isAtLeast({ version }: Versioned, major: number, minor: number): boolean {
  return version[0] > major || (version[0] === major && version[1] >= minor);
}

function hasFieldExpiry(target: Versioned): boolean {
  return target.family === 'valkey' ? isAtLeast(target, 9, 0) : isAtLeast(target, 7, 4);
}

/** Since 8.0.3 the same encoding version holds more, which 8.0.2 finds to be bad data. */
function knowsVectorSets(source: Truth, target: Versioned): boolean {
  if (target.family !== 'redis' || !isAtLeast(target, 8, 0)) return false;
  const isFirst = ({ version: [major, minor, patch] }: Pick<Truth, 'version'>): boolean =>
    major === 8 && minor === 0 && patch <= 2;
  return !isFirst(target) || isFirst(source);
}

/** What restoring a fixture to an empty server must give. */
export function expectedOf(source: Truth, target: Versioned): Expectation {
  const keys = new Map<string, KeyModel>();
  const failed = new Set<string>();
  const inexact = new Set<string>();
  for (const [id, key] of source.loadedModel.keys) {
    const name = problemName(key);
    if (!canHold(source, key, target)) {
      failed.add(name);
      continue;
    }
    if (isLossy(key, target)) inexact.add(name);
    keys.set(id, asHeld(key, target));
  }
  const functions = isAtLeast(target, 7, 0) ? source.loadedModel.functions : [];
  return { model: { keys, functions, scripts: undefined }, failed, inexact };
}

function canHold(source: Truth, { value }: KeyModel, target: Versioned): boolean {
  if (value.kind === 'hash') {
    return hasFieldExpiry(target) || value.fields.every(([, , expireAt]) => expireAt === null);
  }
  if (value.kind === 'vectorset') return knowsVectorSets(source, target);
  if (value.kind !== 'stream') return true;
  const { idmp } = value.stream;
  const isTracking = idmp !== undefined && idmp !== null && idmp.iidsAdded + idmp.producers > 0;
  return !isTracking || (target.family === 'redis' && isAtLeast(target, 8, 6));
}

function isLossy({ value }: KeyModel, target: Versioned): boolean {
  if (value.kind !== 'stream') return false;
  if (!isAtLeast(target, 7, 0)) return losesCounters(value.stream);
  const isActive = value.stream.groups.some(({ consumers }) =>
    consumers.some(({ seenAt, activeAt }) => activeAt !== undefined && activeAt !== seenAt),
  );
  return isActive && !isAtLeast(target, 7, 2);
}

function losesCounters({ entriesAdded, maxDeletedId, groups }: StreamModel): boolean {
  return (
    entriesAdded !== undefined || maxDeletedId !== undefined || groups.some((g) => g.entriesRead)
  );
}

/** Without what the target's commands show otherwise than the source's. */
function asHeld(key: KeyModel, target: Versioned): KeyModel {
  const { value } = key;
  const bare = { ...key, idleSeconds: undefined, frequency: undefined };
  if (value.kind !== 'stream') return bare;
  const knowsActive = isAtLeast(target, 7, 2);
  const groups = value.stream.groups.map((group) => ({
    ...group,
    entriesRead: isAtLeast(target, 7, 0) ? group.entriesRead : undefined,
    consumers: group.consumers.map((consumer) =>
      knowsActive ? consumer : { ...consumer, activeAt: undefined },
    ),
  }));
  const counters = isAtLeast(target, 7, 0)
    ? {}
    : { entriesAdded: undefined, maxDeletedId: undefined, firstId: undefined };
  const idmp = isAtLeast(target, 8, 6) ? value.stream.idmp : undefined;
  return {
    ...bare,
    value: { kind: 'stream', stream: { ...value.stream, ...counters, groups, idmp } },
  };
}

/** A key as problems name it: with its database. */
function problemName({ db, key }: KeyModel): string {
  return `${db} ${Buffer.from(key, 'latin1').toString('base64')}`;
}

/** The keys that a report says had this problem. */
export function reportedKeys(
  report: Pick<RestoreReport, 'problems'>,
  isInexact: boolean,
): Set<string> {
  const found = report.problems.filter(({ code }) => (code === 'inexact') === isInexact);
  return new Set(found.map(({ db, key }) => `${db} ${bytesOf(key).toString('base64')}`));
}

function bytesOf(text: string): Buffer {
  if (text.startsWith('base64:')) return Buffer.from(text.slice(7), 'base64');
  return Buffer.from(text.startsWith('text:') ? text.slice(5) : text, 'utf8');
}

export function differences(expected: Model, actual: Model): string[] {
  return diffModels(expected, actual, { nullAgrees: true, times: 'near' });
}
