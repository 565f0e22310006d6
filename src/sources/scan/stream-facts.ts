import type { StreamConsumer, StreamGroup, StreamId, StreamInfo } from '../../rdb/index.ts';
import { type Reply, replyPairs, replyText } from '../../resp/index.ts';

/** Reads `1526985054069-0`; `null` when it is none. */
export function parseStreamId(text: string): StreamId | null {
  const match = /^(\d{1,20})-(\d{1,20})$/.exec(text);
  return match === null ? null : { ms: BigInt(match[1]), seq: BigInt(match[2]) };
}

/** The first id behind this one. */
export function nextStreamId({ ms, seq }: StreamId): string {
  const last = 2n ** 64n - 1n;
  return seq === last ? `${ms + 1n}-0` : `${ms}-${seq + 1n}`;
}

/** Entries of a group's pending list in XINFO STREAM … FULL: id, consumer, time, deliveries. */
type Pending = readonly [Reply, Reply, Reply, Reply];

/**
 * What XINFO STREAM key FULL COUNT n says of a stream beside its entries, of which there are
 * `length`. `null` when it does not say all: a list that COUNT has cut, or facts that we do not
 * know (Redis 8.6 keeps ids of producers).
 */
export function readStreamFacts(reply: Reply, length: number): StreamInfo | null {
  const facts = replyPairs(reply);
  const lastId = parseStreamId(replyText(facts.get('last-generated-id')));
  const groups = facts.get('groups');
  if (lastId === null || !Array.isArray(groups) || facts.has('idmp-duration')) return null;
  const read = groups.map(readGroup);
  if (!read.every((group) => group !== null)) return null;
  return {
    length: BigInt(length),
    lastId,
    firstId: parseStreamId(replyText(facts.get('recorded-first-entry-id'))),
    maxDeletedId: parseStreamId(replyText(facts.get('max-deleted-entry-id'))),
    entriesAdded: bigOf(facts.get('entries-added')),
    groups: read,
    idmp: null,
  };
}

function readGroup(reply: Reply): StreamGroup | null {
  const facts = replyPairs(reply);
  const name = facts.get('name');
  const lastId = parseStreamId(replyText(facts.get('last-delivered-id')));
  const consumers = facts.get('consumers');
  const pending = facts.get('pending');
  const isRead = Array.isArray(consumers) && Array.isArray(pending);
  if (!(name instanceof Buffer) || lastId === null || !isRead) return null;
  // COUNT has cut the list: the rest of it would be lost.
  if (bigOf(facts.get('pel-count')) !== BigInt(pending.length)) return null;
  const names = consumers.map((consumer) => replyPairs(consumer).get('name'));
  const indexes = new Map(names.map((each, i) => [textOf(each), i]));
  const rows = pending.filter(isPending).flatMap(([id, consumer, time, deliveries]) => {
    const parsed = parseStreamId(replyText(id));
    const index = indexes.get(textOf(consumer));
    const count = bigOf(deliveries);
    if (parsed === null || index === undefined || typeof time !== 'number' || count === null) {
      return [];
    }
    return [{ id: parsed, consumer: index, deliveredAtMs: time, deliveries: count }];
  });
  if (rows.length !== pending.length) return null;
  const read = consumers.map(readConsumer);
  if (!read.every((consumer) => consumer !== null)) return null;
  const entriesRead = bigOf(facts.get('entries-read'));
  return { name, lastId, entriesRead, consumers: read, pending: rows };
}

function isPending(row: Reply): row is Reply[] & Pending {
  return Array.isArray(row) && row.length === 4;
}

function readConsumer(reply: Reply): StreamConsumer | null {
  const facts = replyPairs(reply);
  const name = facts.get('name');
  const seenAtMs = facts.get('seen-time');
  if (!(name instanceof Buffer) || typeof seenAtMs !== 'number') return null;
  const active = facts.get('active-time');
  return { name, seenAtMs, activeAtMs: typeof active === 'number' && active >= 0 ? active : null };
}

/** Bytes one to one, as names need not be text. */
function textOf(reply: Reply | undefined): string {
  return reply instanceof Buffer ? reply.toString('latin1') : '';
}

function bigOf(reply: Reply | undefined): bigint | null {
  return typeof reply === 'number' || typeof reply === 'bigint' ? BigInt(reply) : null;
}
