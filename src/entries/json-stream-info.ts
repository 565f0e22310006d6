import { CodedError } from '../base/index.ts';
import type {
  StreamConsumer,
  StreamGroup,
  StreamId,
  StreamIdmp,
  StreamInfo,
  StreamPending,
} from '../rdb/index.ts';

/** What stands behind a stream's entries in one of its lines, as JSON.parse gives it. */
export type StreamInfoJson = {
  readonly lastId?: string;
  readonly firstId?: string | null;
  readonly maxDeletedId?: string | null;
  readonly entriesAdded?: string | null;
  readonly groups?: readonly GroupJson[];
  readonly idmp?: IdmpJson;
};

type GroupJson = {
  readonly name: string;
  readonly lastId?: string;
  readonly entriesRead?: string | null;
  readonly consumers?: readonly { name: string; seenAt: number; activeAt: number | null }[];
  readonly pending?: readonly {
    id: string;
    consumer: string | null;
    deliveredAt: number;
    deliveries: number | string;
  }[];
};

type IdmpJson = {
  readonly durationSeconds: string;
  readonly maxSize: string;
  readonly iidsAdded: string;
  readonly iidsDuplicates: string;
  readonly producers: readonly { id: string; iids: readonly { iid: string; entryId: string }[] }[];
};

type OpenGroup = Omit<StreamGroup, 'pending'> & {
  readonly pending: StreamPending[];
  readonly indexes: ReadonlyMap<string, number>;
};

/** Joins what the lines of one stream say; a group's pending entries may go on in further lines. */
export function readStreamInfo(parts: readonly StreamInfoJson[], length: number): StreamInfo {
  let facts: StreamInfoJson = {};
  let idmp: StreamIdmp | null = null;
  const groups = new Map<string, OpenGroup>();
  for (const part of parts) {
    if (part.lastId !== undefined) facts = part;
    if (part.idmp !== undefined) idmp = readIdmp(part.idmp);
    for (const group of part.groups ?? []) {
      let open = groups.get(group.name);
      if (open === undefined) {
        open = openGroup(group);
        groups.set(group.name, open);
      }
      addPending(open, group);
    }
  }
  if (facts.lastId === undefined) throw invalid('a stream without its last id');
  return {
    length: BigInt(length),
    lastId: parseId(facts.lastId),
    firstId: optionalId(facts.firstId),
    maxDeletedId: optionalId(facts.maxDeletedId),
    entriesAdded: optionalCounter(facts.entriesAdded),
    groups: [...groups.values()].map(({ indexes: _, ...group }) => group),
    idmp,
  };
}

function openGroup(group: GroupJson): OpenGroup {
  const consumers = (group.consumers ?? []).map(
    (consumer): StreamConsumer => ({
      name: decodeText(consumer.name),
      seenAtMs: consumer.seenAt,
      activeAtMs: consumer.activeAt,
    }),
  );
  return {
    name: decodeText(group.name),
    lastId: parseId(group.lastId ?? ''),
    entriesRead: optionalCounter(group.entriesRead),
    consumers,
    pending: [],
    indexes: new Map((group.consumers ?? []).map(({ name }, index) => [name, index])),
  };
}

function addPending(open: OpenGroup, group: GroupJson): void {
  for (const pending of group.pending ?? []) {
    const consumer = pending.consumer === null ? -1 : open.indexes.get(pending.consumer);
    if (consumer === undefined) throw invalid('a pending entry of an unknown consumer');
    open.pending.push({
      id: parseId(pending.id),
      consumer,
      deliveredAtMs: pending.deliveredAt,
      deliveries: BigInt(pending.deliveries),
    });
  }
}

function readIdmp(idmp: IdmpJson): StreamIdmp {
  return {
    durationSeconds: BigInt(idmp.durationSeconds),
    maxSize: BigInt(idmp.maxSize),
    producers: idmp.producers.map((producer) => ({
      id: decodeText(producer.id),
      iids: producer.iids.map(({ iid, entryId }) => ({
        iid: decodeText(iid),
        entryId: parseId(entryId),
      })),
    })),
    iidsAdded: BigInt(idmp.iidsAdded),
    iidsDuplicates: BigInt(idmp.iidsDuplicates),
  };
}

/** The bytes of a Redis string from its JSON text. */
export function decodeText(text: string): Buffer {
  if (text.startsWith('base64:')) return Buffer.from(text.slice('base64:'.length), 'base64');
  return Buffer.from(text.startsWith('text:') ? text.slice('text:'.length) : text, 'utf8');
}

function parseId(text: string): StreamId {
  const match = /^(\d{1,20})-(\d{1,20})$/.exec(text);
  if (match === null) throw invalid(`the stream id ${JSON.stringify(text)}`);
  return { ms: BigInt(match[1] as string), seq: BigInt(match[2] as string) };
}

function optionalId(text: string | null | undefined): StreamId | null {
  return text === null || text === undefined ? null : parseId(text);
}

function optionalCounter(text: string | null | undefined): bigint | null {
  return text === null || text === undefined ? null : BigInt(text);
}

function invalid(what: string): CodedError {
  return new CodedError('JSONL_INVALID', `Cannot read ${what}`);
}
