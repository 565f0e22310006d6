import { readLive } from './live-reader.ts';
import type { HashField, KeyModel, Model, StreamModel } from './model.ts';
import { diffModels, type DiffOptions } from './diff-models.ts';

/**
 * Masters before 7.0 send the time that is left: it counts from the arrival at the recorder, which
 * on a busy machine is that much later than the execution.
 */
const RELATIVE_TOLERANCE_MS = 1000;

/**
 * The data set of a server while nobody writes, read by a client that is not ours: what a restore
 * to any instant between `atMs` and the next write must give.
 *
 * Expiry goes on while it is read: a key or field whose expiry was at or before `readUntilMs` may
 * be missing in the truth and still be in the log's state of that instant (the master had not yet
 * removed it, and a replica never does). It must be missing in neither otherwise.
 */
export type InstantTruth = {
  /** Nothing of the workload was under way from here (Unix milliseconds) … */
  readonly atMs: number;
  /** … to here, when the last key was read. */
  readonly readUntilMs: number;
  readonly model: Model;
};

export async function readTruth(url: string): Promise<InstantTruth> {
  const atMs = Date.now();
  const model = await readLive(url);
  return { atMs, readUntilMs: Date.now(), model: withoutClientTraces(model) };
}

export type TruthDiffOptions = DiffOptions & {
  /**
   * When `actual` was read from a live server, where expiry goes on: what expires at or before this
   * may be missing in it. Absent: `actual` shows expired keys too, everything must be there.
   */
  readonly actualReadMs?: number;
  /** How late commands may have arrived, where expiries count from the arrival; default 1 s. */
  readonly delayMs?: number;
};

/** What a restored state lacks, has too much, or has otherwise than the truth. */
export function diffFromTruth(
  truth: InstantTruth,
  actual: Model,
  options: TruthDiffOptions = {},
): string[] {
  const { actualReadMs, delayMs = RELATIVE_TOLERANCE_MS, ...rest } = options;
  const isComputed = (truth.model.expiryToleranceMs ?? 0) > 0;
  const tolerance = isComputed ? delayMs : (options.expiryToleranceMs ?? 0);
  const goneInTruth = truth.readUntilMs + tolerance;
  const goneInActual = actualReadMs === undefined ? null : actualReadMs + tolerance;
  const expected = new Map(truth.model.keys);
  const found = new Map(withoutClientTraces(actual).keys);
  for (const id of new Set([...expected.keys(), ...found.keys()])) {
    alignExpired(expected, found, id, goneInTruth, goneInActual);
  }
  return diffModels(
    { ...truth.model, keys: expected },
    { ...actual, keys: found },
    { idleConsumersMayMiss: true, access: false, ...rest, expiryToleranceMs: tolerance },
  );
}

/** Takes out of both sides what one of them may lack because its time had passed there. */
function alignExpired(
  expected: Map<string, KeyModel>,
  found: Map<string, KeyModel>,
  id: string,
  goneInTruth: number,
  goneInActual: number | null,
): void {
  const truth = expected.get(id);
  const actual = found.get(id);
  if (truth === undefined) {
    if (actual !== undefined && mayBeGone(actual, goneInTruth)) found.delete(id);
    return;
  }
  if (actual === undefined) {
    if (goneInActual !== null && mayBeGone(truth, goneInActual)) expected.delete(id);
    return;
  }
  if (truth.expireAt !== null && truth.expireAt <= Math.max(goneInTruth, goneInActual ?? 0)) {
    // It went while it was read: perhaps after its type, and before its value.
    expected.delete(id);
    found.delete(id);
    return;
  }
  if (truth.value.kind !== 'hash' || actual.value.kind !== 'hash') return;
  const inTruth = new Set(truth.value.fields.map(([field]) => field));
  const inActual = new Set(actual.value.fields.map(([field]) => field));
  found.set(
    id,
    withFields(
      actual,
      actual.value.fields,
      (field) => inTruth.has(field[0]) || !isPast(field, goneInTruth),
    ),
  );
  if (goneInActual === null) return;
  expected.set(
    id,
    withFields(
      truth,
      truth.value.fields,
      (field) => inActual.has(field[0]) || !isPast(field, goneInActual),
    ),
  );
}

function withFields(
  key: KeyModel,
  fields: readonly HashField[],
  stays: (field: HashField) => boolean,
): KeyModel {
  return { ...key, value: { kind: 'hash', fields: fields.filter(stays) } };
}

function mayBeGone({ expireAt, value }: KeyModel, byMs: number): boolean {
  if (expireAt !== null && expireAt <= byMs) return true;
  return value.kind === 'hash' && value.fields.every((field) => isPast(field, byMs));
}

function isPast([, , expireAt]: HashField, byMs: number): boolean {
  return expireAt !== null && expireAt <= byMs;
}

/**
 * When a consumer was last seen is not replicated, and what a stream remembers of its producers is
 * forgotten after seconds.
 */
export function withoutClientTraces(model: Model): Model {
  return withStreams(model, (stream) => ({
    ...stream,
    ...(stream.idmp && { idmp: { ...stream.idmp, producers: 0, iids: 0 } }),
    groups: stream.groups.map((group) => ({
      ...group,
      consumers: group.consumers.map(({ name }) => ({ name })),
    })),
  }));
}

/** Before Redis 8.8, replicas learn of a consumer only when something is pending for it. */
export function withoutIdleConsumers(model: Model): Model {
  return withStreams(model, (stream) => ({
    ...stream,
    groups: stream.groups.map((group) => ({
      ...group,
      consumers: group.consumers.filter(({ name }) =>
        group.pending.some(({ consumer }) => consumer === name),
      ),
    })),
  }));
}

function withStreams(model: Model, change: (stream: StreamModel) => StreamModel): Model {
  const keys = [...model.keys].map(([id, key]): [string, KeyModel] => {
    const { value } = key;
    if (value.kind !== 'stream') return [id, key];
    return [id, { ...key, value: { kind: 'stream', stream: change(value.stream) } }];
  });
  return { ...model, keys: new Map(keys) };
}
