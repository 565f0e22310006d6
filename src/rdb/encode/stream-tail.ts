import type { ByteBuilder } from '../../base/index.ts';
import { TYPE } from '../format.ts';
import type { StreamGroup, StreamId, StreamIdmp, StreamInfo } from '../value-sink.ts';
import { appendBigLength, appendInt64, appendLength, appendString, appendU64Be } from './length.ts';

/** What a server assumes for a stream without idempotent producers. */
const IDMP_DURATION_SECONDS = 100n;
const IDMP_MAX_SIZE = 100n;

/** Owner of entries given back, on servers where an entry must have one, in a group without any. */
const OWNER_OF_NACKED = Buffer.from('nacked');

export function hasNacked(info: StreamInfo): boolean {
  return info.groups.some((group) => group.pending.some((pending) => pending.consumer < 0));
}

/** Whether leaving it out changes nothing. */
export function isPlainIdmp(idmp: StreamIdmp | null): boolean {
  return (
    idmp === null ||
    (idmp.durationSeconds === IDMP_DURATION_SECONDS &&
      idmp.maxSize === IDMP_MAX_SIZE &&
      idmp.producers.length === 0 &&
      idmp.iidsAdded === 0n &&
      idmp.iidsDuplicates === 0n)
  );
}

/** Groups, consumers and pending entries, in the stream format `type`. */
export function appendStreamGroups(
  out: ByteBuilder,
  type: number,
  groups: readonly StreamGroup[],
): void {
  appendLength(out, groups.length);
  for (const group of groups) appendGroup(out, type, group);
}

function appendGroup(out: ByteBuilder, type: number, group: StreamGroup): void {
  appendString(out, group.name, 0, group.name.length);
  appendBigLength(out, group.lastId.ms);
  appendBigLength(out, group.lastId.seq);
  if (type >= TYPE.stream2) appendBigLength(out, group.entriesRead ?? -1n);

  appendLength(out, group.pending.length);
  for (const pending of group.pending) {
    appendRawId(out, pending.id);
    appendInt64(out, pending.deliveredAtMs);
    appendBigLength(out, pending.deliveries);
  }

  const owned = pendingByConsumer(group);
  const nacked = owned.pop() as StreamId[];
  const needsOwner = type < TYPE.stream5 && nacked.length > 0;
  const isOwnerMissing = needsOwner && group.consumers.length === 0;
  appendLength(out, group.consumers.length + (isOwnerMissing ? 1 : 0));
  for (const [i, consumer] of group.consumers.entries()) {
    appendString(out, consumer.name, 0, consumer.name.length);
    appendConsumerTimes(out, type, consumer.seenAtMs, consumer.activeAtMs);
    appendOwned(out, needsOwner && i === 0 ? [...owned[i], ...nacked] : owned[i]);
  }
  if (isOwnerMissing) {
    appendString(out, OWNER_OF_NACKED, 0, OWNER_OF_NACKED.length);
    appendConsumerTimes(out, type, 0, null);
    appendOwned(out, nacked);
  }
  if (type >= TYPE.stream5) appendOwned(out, nacked);
}

function appendConsumerTimes(
  out: ByteBuilder,
  type: number,
  seenAtMs: number,
  activeAtMs: number | null,
): void {
  appendInt64(out, seenAtMs);
  if (type >= TYPE.stream3) appendInt64(out, activeAtMs ?? -1);
}

/** The ids pending for each consumer, and last those that nobody owns. */
function pendingByConsumer(group: StreamGroup): StreamId[][] {
  const owned: StreamId[][] = Array.from({ length: group.consumers.length + 1 }, () => []);
  for (const pending of group.pending) {
    owned[pending.consumer < 0 ? group.consumers.length : pending.consumer].push(pending.id);
  }
  return owned;
}

function appendOwned(out: ByteBuilder, ids: readonly StreamId[]): void {
  appendLength(out, ids.length);
  for (const id of ids) appendRawId(out, id);
}

function appendRawId(out: ByteBuilder, id: StreamId): void {
  appendU64Be(out, id.ms);
  appendU64Be(out, id.seq);
}

export function appendStreamIdmp(out: ByteBuilder, idmp: StreamIdmp | null): void {
  appendBigLength(out, idmp?.durationSeconds ?? IDMP_DURATION_SECONDS);
  appendBigLength(out, idmp?.maxSize ?? IDMP_MAX_SIZE);
  const producers = idmp?.producers ?? [];
  appendLength(out, producers.length);
  for (const producer of producers) {
    appendString(out, producer.id, 0, producer.id.length);
    appendLength(out, producer.iids.length);
    for (const { iid, entryId } of producer.iids) {
      appendString(out, iid, 0, iid.length);
      appendBigLength(out, entryId.ms);
      appendBigLength(out, entryId.seq);
    }
  }
  appendBigLength(out, idmp?.iidsAdded ?? 0n);
  appendBigLength(out, idmp?.iidsDuplicates ?? 0n);
}
