import { readCounter, readInteger } from './json-values.ts';
import {
  type Bytes,
  type ConsumerModel,
  type GroupModel,
  type IdmpModel,
  type PendingModel,
  streamValue,
  type ValueModel,
} from './model.ts';
import type { Json, JsonObject } from './strict-json.ts';

/** The value of a stream in one line, with what "elementMore" and "entryMore" say of its end. */
export type StreamPart = {
  readonly value: JsonObject;
  readonly cut: Json;
  readonly pairsLeft: number | undefined;
  readonly text: (value: Json | undefined) => Bytes;
};

type Entry = { id: string; texts: Bytes[] };
type OpenGroup = {
  name: Bytes;
  lastId: string;
  entriesRead: string | null;
  consumers: ConsumerModel[];
  pending: PendingModel[];
};

const FACTS = ['lastId', 'firstId', 'maxDeletedId', 'entriesAdded', 'idmp'];
const ID = /^(?:0|[1-9]\d{0,19})-(?:0|[1-9]\d{0,19})$/;

/** Joins the parts of a stream: entries first, then groups, whose facts may repeat by name. */
export function readStream(parts: readonly StreamPart[]): ValueModel {
  const entries = readEntries(parts);
  const groups = new Map<Bytes, OpenGroup>();
  const facts = new Map<string, Json>();
  for (const part of parts) {
    for (const [name, member] of part.value) {
      if (name === 'entries') continue;
      if (name === 'groups') {
        for (const group of asArray(member)) readGroup(asObject(group), groups, part);
      } else if (!FACTS.includes(name)) {
        throw new Error(`Unknown member "${name}" in a stream`);
      } else if (name === 'idmp' && facts.has(name)) {
        addProducers(asObject(facts.get(name)), asObject(member));
      } else if (facts.has(name)) {
        throw new Error(`"${name}" comes twice`);
      } else {
        facts.set(name, member);
      }
    }
  }
  const idOrNull = (name: string): string | null => {
    const value = facts.get(name) ?? null;
    return value === null ? null : readId(value);
  };
  const added = facts.get('entriesAdded') ?? null;
  return streamValue({
    entries: entries.map(({ id, texts }) => [id, texts]),
    lastId: readId(facts.get('lastId')),
    firstId: idOrNull('firstId'),
    maxDeletedId: idOrNull('maxDeletedId'),
    entriesAdded: added === null ? null : readCounter(added),
    groups: [...groups.values()].map((group): GroupModel => ({ ...group, timesApprox: false })),
    idmp: readIdmp(facts.get('idmp') ?? null),
  });
}

/**
 * "entryMore" says that the line's last entry goes on in the next line, and with how many pairs, a
 * cut one included. The next line's first entry has the same id. With "elementMore" the last text
 * is cut too, the last pair being `[name]` or `[name, value]`; the next line's first pair begins
 * with its rest, and after a name also holds the value.
 */
function readEntries(parts: readonly StreamPart[]): Entry[] {
  const entries: Entry[] = [];
  let before: StreamPart | undefined;
  for (const part of parts) {
    const list = asArray(part.value.get('entries') ?? []);
    const goesOn = before?.pairsLeft !== undefined;
    if (goesOn && list.length === 0) throw new Error('The rest of an entry is missing');
    for (const [i, item] of list.entries()) {
      const object = asObject(item);
      const id = readId(object.get('id'));
      if (object.size !== 2) throw new Error(`Entry ${id} has unknown members`);
      const pairs = asArray(object.get('fields')).map((pair) => asArray(pair).map(part.text));
      const isLast = i === list.length - 1;
      const cut = isLast && part.cut !== false;
      if (goesOn && i === 0) {
        const open = entries.at(-1) as Entry;
        if (open.id !== id) throw new Error(`Entry ${open.id} goes on as ${id}`);
        if (!isLast || part.pairsLeft === undefined) checkPairsLeft(before, pairs.length, id);
        if (before?.cut !== false) continueText(open, pairs);
        addPairs(open, pairs, cut);
      } else {
        const open: Entry = { id, texts: [] };
        entries.push(open);
        addPairs(open, pairs, cut);
      }
    }
    if (part.cut !== false && part.pairsLeft === undefined)
      throw new Error('"entryMore" is missing');
    before = part;
  }
  if (before?.pairsLeft !== undefined) throw new Error('The last entry is not complete');
  for (const { id, texts } of entries) {
    if (texts.length % 2 !== 0) throw new Error(`Entry ${id} lacks a value`);
  }
  return entries;
}

function checkPairsLeft(before: StreamPart | undefined, pairs: number, id: string): void {
  if (before?.pairsLeft === pairs) return;
  throw new Error(`Entry ${id}: ${before?.pairsLeft} pairs were announced, ${pairs} came`);
}

function addPairs(open: Entry, pairs: readonly Bytes[][], cut: boolean): void {
  for (const [n, pair] of pairs.entries()) {
    const half = pair.length === 1 && cut && n === pairs.length - 1;
    if (pair.length !== 2 && !half) throw new Error(`Entry ${open.id} has an odd pair`);
    open.texts.push(...pair);
  }
}

/** Takes the first pair off `pairs` and appends its continuing text to the entry. */
function continueText(open: Entry, pairs: Bytes[][]): void {
  const pair = pairs.shift();
  if (pair === undefined) throw new Error(`Entry ${open.id} does not go on`);
  const [rest = '', value] = pair;
  const nameWasCut = open.texts.length % 2 === 1;
  open.texts.push((open.texts.pop() ?? '') + rest);
  if (value === undefined) return;
  if (!nameWasCut) throw new Error(`Entry ${open.id} goes on with an odd pair`);
  open.texts.push(value);
}

function readGroup(object: JsonObject, groups: Map<Bytes, OpenGroup>, part: StreamPart): void {
  const name = part.text(object.get('name'));
  let group = groups.get(name);
  if (group === undefined) {
    const read = object.get('entriesRead') ?? null;
    group = {
      name,
      lastId: readId(object.get('lastId')),
      entriesRead: read === null ? null : readCounter(read),
      consumers: [],
      pending: [],
    };
    groups.set(name, group);
  } else if (object.has('lastId')) {
    throw new Error('A group comes twice');
  }
  for (const member of object.keys()) {
    if (!['name', 'lastId', 'entriesRead', 'consumers', 'pending'].includes(member)) {
      throw new Error(`Unknown member "${member}" in a group`);
    }
  }
  for (const consumer of asArray(object.get('consumers') ?? [])) {
    group.consumers.push(readConsumer(asObject(consumer), part));
  }
  for (const pending of asArray(object.get('pending') ?? [])) {
    group.pending.push(readPending(asObject(pending), part));
  }
}

function readConsumer(object: JsonObject, part: StreamPart): ConsumerModel {
  const active = object.get('activeAt') ?? null;
  return {
    name: part.text(object.get('name')),
    seenAt: readInteger(object.get('seenAt')),
    activeAt: active === null ? null : readInteger(active),
  };
}

function readPending(object: JsonObject, part: StreamPart): PendingModel {
  const consumer = object.get('consumer') ?? null;
  return {
    id: readId(object.get('id')),
    consumer: consumer === null ? null : part.text(consumer),
    deliveredAt: readInteger(object.get('deliveredAt')),
    deliveries: Number(readCounter(object.get('deliveries') ?? null)),
  };
}

/** Producers may go on in further parts, which then hold nothing else. */
function addProducers(idmp: JsonObject, more: JsonObject): void {
  if (more.size !== 1) throw new Error('"idmp" comes twice');
  asArray(idmp.get('producers')).push(...asArray(more.get('producers')));
}

function readIdmp(value: Json): IdmpModel | null {
  if (value === null) return null;
  const object = asObject(value);
  const producers = asArray(object.get('producers')).map((producer) => {
    return asArray(asObject(producer).get('iids')).length;
  });
  const counter = (name: string): number => Number(readCounter(object.get(name) ?? null));
  return {
    duration: counter('durationSeconds'),
    maxSize: counter('maxSize'),
    iidsAdded: counter('iidsAdded'),
    iidsDuplicates: counter('iidsDuplicates'),
    producers: producers.length,
    iids: producers.reduce((sum, iids) => sum + iids, 0),
  };
}

function readId(value: Json | undefined): string {
  if (typeof value !== 'string' || !ID.test(value)) throw new Error('A stream id was expected');
  return value;
}

function asArray(value: Json | undefined): Json[] {
  if (!Array.isArray(value)) throw new Error('An array was expected');
  return value;
}

function asObject(value: Json | undefined): JsonObject {
  if (!(value instanceof Map)) throw new Error('An object was expected');
  return value;
}
