import type { StreamId, StreamInfo } from '../../rdb/index.ts';
import { readStreamInfo, type StreamInfoJson } from '../json-stream-info.ts';
import {
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  type JsonTokens,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
} from './json-tokens.ts';
import type { MemberTable } from './member-table.ts';

/** What stands where: a text or null, a number, a list of objects, each with these members. */
type Shape =
  | 'text'
  | 'text or null'
  | 'number'
  | 'number or null'
  | 'number or text'
  | { readonly [member: string]: Shape }
  | readonly [Shape];

const CONSUMER: Shape = { name: 'text', seenAt: 'number', activeAt: 'number or null' };
const PENDING: Shape = {
  id: 'text',
  consumer: 'text or null',
  deliveredAt: 'number',
  deliveries: 'number or text',
};
const GROUP: Shape = {
  name: 'text',
  lastId: 'text',
  entriesRead: 'text or null',
  consumers: [CONSUMER],
  pending: [PENDING],
};
const PRODUCER: Shape = { id: 'text', iids: [{ iid: 'text', entryId: 'text' }] };

/** The members behind a stream's entries. */
const TAIL = {
  lastId: 'text',
  firstId: 'text or null',
  maxDeletedId: 'text or null',
  entriesAdded: 'text or null',
  groups: [GROUP],
  idmp: {
    durationSeconds: 'text',
    maxSize: 'text',
    iidsAdded: 'text',
    iidsDuplicates: 'text',
    producers: [PRODUCER],
  },
} as const satisfies Record<string, Shape>;

export const TAIL_MEMBERS = Object.keys(TAIL) as (keyof typeof TAIL)[];

/**
 * What the scanned members of one line say about a stream beside its entries. They are checked on
 * bytes, texts included, before they become objects: these know neither members that come twice nor
 * halves of surrogate pairs.
 */
export function readTail(
  tokens: JsonTokens,
  table: MemberTable<keyof typeof TAIL | 'entries'>,
): StreamInfoJson {
  const tail: Record<string, unknown> = {};
  for (const name of TAIL_MEMBERS) {
    if (!table.find(tokens, name)) continue;
    const start = tokens.pos;
    checkShape(tokens, TAIL[name]);
    tail[name] = tokens.parsed(start, tokens.pos);
  }
  const groups = (tail['groups'] ?? []) as readonly { readonly name: string }[];
  refuseTwice(
    tokens,
    'group',
    groups.map(({ name }) => name),
  );
  return tail;
}

const MOST = 2n ** 64n - 1n;

/** Joins what the lines of a stream said. `length`: its entries. */
export function readInfo(
  tokens: JsonTokens,
  parts: readonly StreamInfoJson[],
  length: number,
): StreamInfo {
  const info = readStreamInfo(parts, length);
  refuseTwice(
    tokens,
    'group',
    info.groups.map(({ name }) => latin1(name)),
  );
  for (const { consumers, pending } of info.groups) {
    refuseTwice(
      tokens,
      'consumer',
      consumers.map(({ name }) => latin1(name)),
    );
    refuseTwice(
      tokens,
      'pending entry',
      pending.map(({ id }) => formatId(id)),
    );
  }
  if (numbersOf(info).some((value) => value !== null && value > MOST)) {
    throw tokens.wrong('a number of a stream has more than 64 bits');
  }
  return info;
}

function numbersOf(info: StreamInfo): (bigint | null)[] {
  const { idmp } = info;
  const producers = idmp === null ? [] : idmp.producers.flatMap(({ iids }) => iids);
  const ids: (StreamId | null)[] = [
    info.lastId,
    info.firstId,
    info.maxDeletedId,
    ...info.groups.flatMap(({ lastId, pending }) => [lastId, ...pending.map(({ id }) => id)]),
    ...producers.map(({ entryId }) => entryId),
  ];
  return [
    ...ids.flatMap((id) => (id === null ? [] : [id.ms, id.seq])),
    info.entriesAdded,
    ...info.groups.map(({ entriesRead }) => entriesRead),
    ...info.groups.flatMap(({ pending }) => pending.map(({ deliveries }) => deliveries)),
    ...(idmp === null
      ? []
      : [idmp.durationSeconds, idmp.maxSize, idmp.iidsAdded, idmp.iidsDuplicates]),
  ];
}

function formatId({ ms, seq }: StreamId): string {
  return `${ms}-${seq}`;
}

function latin1(name: Uint8Array): string {
  return Buffer.from(name).toString('latin1');
}

function refuseTwice(tokens: JsonTokens, what: string, names: readonly string[]): void {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) throw tokens.wrong(`a ${what} of a stream comes twice`);
    seen.add(name);
  }
}

/** Reads over one value, which must be of this shape. No deeper than the shape itself. */
function checkShape(tokens: JsonTokens, shape: Shape): void {
  if (typeof shape === 'string') checkScalar(tokens, shape);
  else if (Array.isArray(shape)) checkList(tokens, (shape as readonly [Shape])[0]);
  else checkObject(tokens, shape as Readonly<Record<string, Shape>>);
}

function checkScalar(tokens: JsonTokens, shape: string): void {
  if (shape.endsWith('null') && tokens.isNull()) tokens.readNull();
  else if (tokens.peek() === QUOTE && shape.includes('text')) tokens.readString();
  else if (shape.includes('number')) tokens.readNumber();
  else throw tokens.invalid('a text');
}

function checkList(tokens: JsonTokens, shape: Shape): void {
  tokens.demand(OPEN_ARRAY);
  if (tokens.accept(CLOSE_ARRAY)) return;
  do checkShape(tokens, shape);
  while (tokens.accept(COMMA));
  tokens.demand(CLOSE_ARRAY);
}

function checkObject(tokens: JsonTokens, members: Readonly<Record<string, Shape>>): void {
  const seen = new Set<string>();
  tokens.demand(OPEN_OBJECT);
  if (tokens.accept(CLOSE_OBJECT)) return;
  do {
    tokens.skipSpaces();
    const start = tokens.pos + 1;
    tokens.readString();
    const name = tokens.latin1();
    const shown = tokens.shown(start, tokens.pos - 1);
    if (!Object.hasOwn(members, name)) {
      throw tokens.wrong(`the member "${shown}" is not known here`, start);
    }
    if (seen.has(name)) throw tokens.wrong(`the member "${shown}" comes twice`, start);
    seen.add(name);
    tokens.demand(COLON);
    checkShape(tokens, members[name]);
  } while (tokens.accept(COMMA));
  tokens.demand(CLOSE_OBJECT);
}
