import { CodedError } from '../base/index.ts';
import type {
  StreamConsumer,
  StreamGroup,
  StreamId,
  StreamIdmp,
  StreamInfo,
  StreamPending,
} from '../rdb/index.ts';

/** What stands behind a stream's entries in one of its lines, as JSON.parse gives it: unchecked. */
export type StreamInfoJson = Json;

type Json = Readonly<Record<string, unknown>>;
type Open<T> = { -readonly [K in keyof T]: T[K] };

type OpenGroup = {
  readonly facts: StreamGroup & {
    readonly consumers: StreamConsumer[];
    readonly pending: StreamPending[];
  };
  /** Consumers by their name as it is written. */
  readonly indexes: Map<string, number>;
};

type OpenIdmp = Open<Omit<StreamIdmp, 'producers'>> & {
  readonly producers: StreamIdmp['producers'][number][];
};

/**
 * Joins what the lines of one stream say: groups, their consumers and pending entries, and
 * producers may go on in further lines. Throws JSONL_INVALID.
 */
export function readStreamInfo(parts: readonly StreamInfoJson[], length: number): StreamInfo {
  let facts: Json = {};
  let idmp: OpenIdmp | null = null;
  const groups = new Map<string, OpenGroup>();
  for (const part of parts) {
    if (part['lastId'] !== undefined) facts = part;
    if (part['idmp'] !== undefined) {
      const more = object(part['idmp'], 'idmp');
      idmp ??= openIdmp(more);
      idmp.producers.push(...list(more, 'producers').map(readProducer));
    }
    for (const group of list(part, 'groups')) {
      const name = text(group, 'name');
      let open = groups.get(name);
      if (open === undefined) {
        open = openGroup(group);
        groups.set(name, open);
      }
      addToGroup(open, group);
    }
  }
  return {
    length: BigInt(length),
    lastId: parseId(facts['lastId']),
    firstId: optionalId(facts['firstId']),
    maxDeletedId: optionalId(facts['maxDeletedId']),
    entriesAdded: optionalCounter(facts['entriesAdded']),
    groups: [...groups.values()].map((group) => group.facts),
    idmp,
  };
}

function openGroup(group: Json): OpenGroup {
  return {
    facts: {
      name: decodeText(text(group, 'name')),
      lastId: parseId(group['lastId']),
      entriesRead: optionalCounter(group['entriesRead']),
      consumers: [],
      pending: [],
    },
    indexes: new Map(),
  };
}

function addToGroup(open: OpenGroup, group: Json): void {
  for (const consumer of list(group, 'consumers')) {
    const name = text(consumer, 'name');
    open.indexes.set(name, open.facts.consumers.length);
    open.facts.consumers.push({
      name: decodeText(name),
      seenAtMs: integer(consumer['seenAt']),
      activeAtMs: consumer['activeAt'] === null ? null : integer(consumer['activeAt']),
    });
  }
  for (const pending of list(group, 'pending')) {
    const name = pending['consumer'];
    const consumer = name === null ? -1 : open.indexes.get(text(pending, 'consumer'));
    if (consumer === undefined) throw invalid('a pending entry of an unknown consumer');
    open.facts.pending.push({
      id: parseId(pending['id']),
      consumer,
      deliveredAtMs: integer(pending['deliveredAt']),
      deliveries: counter(pending['deliveries']),
    });
  }
}

function openIdmp(idmp: Json): OpenIdmp {
  return {
    durationSeconds: counter(idmp['durationSeconds']),
    maxSize: counter(idmp['maxSize']),
    producers: [],
    iidsAdded: counter(idmp['iidsAdded']),
    iidsDuplicates: counter(idmp['iidsDuplicates']),
  };
}

function readProducer(producer: Json): StreamIdmp['producers'][number] {
  return {
    id: decodeText(text(producer, 'id')),
    iids: list(producer, 'iids').map((item) => ({
      iid: decodeText(text(item, 'iid')),
      entryId: parseId(item['entryId']),
    })),
  };
}

/** The bytes of a Redis string from its JSON text. */
export function decodeText(json: string): Buffer {
  if (json.startsWith('base64:')) return Buffer.from(json.slice('base64:'.length), 'base64');
  return Buffer.from(json.startsWith('text:') ? json.slice('text:'.length) : json, 'utf8');
}

function object(value: unknown, what: string): Json {
  if (typeof value !== 'object' || value === null) throw invalid(`"${what}" of a stream`);
  return value as Json;
}

/** A list of objects; an absent one is empty. */
function list(parent: Json, member: string): Json[] {
  const value = parent[member] ?? [];
  if (!Array.isArray(value)) throw invalid(`"${member}" of a stream`);
  return value.map((item) => object(item, member));
}

function text(parent: Json, member: string): string {
  const value = parent[member];
  if (typeof value !== 'string') throw invalid(`"${member}" of a stream`);
  return value;
}

function integer(value: unknown): number {
  if (!Number.isSafeInteger(value)) throw invalid('an integer of a stream');
  return value as number;
}

/** A number of up to 64 bits: digits, or a number where it is small. */
function counter(value: unknown): bigint {
  if (Number.isSafeInteger(value)) return BigInt(value as number);
  if (typeof value !== 'string' || !/^\d{1,20}$/.test(value))
    throw invalid('a counter of a stream');
  return BigInt(value);
}

function parseId(value: unknown): StreamId {
  const match = typeof value === 'string' ? /^(\d{1,20})-(\d{1,20})$/.exec(value) : null;
  if (match === null) throw invalid(`the stream id ${JSON.stringify(value)}`);
  return { ms: BigInt(match[1]), seq: BigInt(match[2]) };
}

function optionalId(value: unknown): StreamId | null {
  return value === null || value === undefined ? null : parseId(value);
}

function optionalCounter(value: unknown): bigint | null {
  return value === null || value === undefined ? null : counter(value);
}

function invalid(what: string): CodedError {
  return new CodedError('JSONL_INVALID', `Cannot read ${what}`);
}
