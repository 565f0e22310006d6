import { isUtf8 } from 'node:buffer';
import { readStream, type StreamPart } from './json-stream-reader.ts';
import { readCounter, readInteger, readText } from './json-values.ts';
import {
  addKey,
  type ArrayItem,
  type Bytes,
  createModel,
  describeKey,
  hashValue,
  type HashField,
  type KeyModel,
  type Model,
  scoreBits,
  setValue,
  type ValueModel,
  type ZsetMember,
  zsetValue,
} from './model.ts';
import { type Json, JsonNumber, type JsonObject, parseStrictJson } from './strict-json.ts';

/**
 * Reads Tidemark's JSON Lines into the comparable model. It shares nothing with the product's own
 * parser and checks what a reader may rely on: no unknown or duplicate members, parts contiguous
 * and complete, counts right, no key twice.
 */
export type JsonLinesOptions = {
  /** Demand the form that Tidemark itself writes: member order, no spaces, shortest string form. */
  readonly canonical?: boolean;
};

/** Parts of one key while they arrive. */
type OpenKey = { readonly head: Line; readonly parts: Line[] };

export type Line = {
  readonly number: number;
  readonly members: JsonObject;
  readonly canonical: boolean;
};

/** Groups of members in the order in which they are written. */
const MEMBER_ORDER = [
  ['db'],
  ['key'],
  ['type'],
  ['expireAt'],
  ['idleSeconds', 'frequency'],
  ['keyMeta'],
  ['part', 'more', 'bytes', 'elements', 'elementMore', 'elementBytes', 'entryMore'],
  ['fieldExpireAt'],
  ['value'],
];
const MEMBER_RANK = new Map(MEMBER_ORDER.flatMap((names, rank) => names.map((n) => [n, rank])));
const PIECE_BYTES = 1 << 20;

export function fromJsonLines(
  input: string | Uint8Array | Iterable<string>,
  options: JsonLinesOptions = {},
): Model {
  const model = createModel();
  const functions: Bytes[] = [];
  const scripts: Bytes[] = [];
  let open: OpenKey | undefined;
  let number = 0;
  for (const text of splitLines(input)) {
    number++;
    try {
      const line = parseLine(text, number, options.canonical ?? false);
      if (!line.members.has('key')) {
        readInstanceLine(line, functions, scripts);
        continue;
      }
      open = joinPart(open, line);
      if (line.members.get('more') === true) continue;
      addKey(model, readKey(open));
      open = undefined;
    } catch (error) {
      throw new Error(`Line ${number}: ${(error as Error).message}`, { cause: error });
    }
  }
  if (open !== undefined) throw new Error('The last key is not complete');
  model.functions = functions.sort();
  if (scripts.length > 0) model.scripts = scripts.sort();
  return model;
}

function* splitLines(input: string | Uint8Array | Iterable<string>): Iterable<string> {
  if (input instanceof Uint8Array) {
    let start = 0;
    while (start < input.length) {
      const end = input.indexOf(10, start);
      if (end < 0) throw new Error('The last line has no line end');
      if (!isUtf8(input.subarray(start, end))) throw new Error('A line is not UTF-8');
      yield Buffer.from(input.buffer, input.byteOffset + start, end - start).toString('utf8');
      start = end + 1;
    }
  } else if (typeof input === 'string') {
    for (const line of input.split('\n')) if (line !== '') yield line;
  } else {
    yield* input;
  }
}

function parseLine(text: string, number: number, canonical: boolean): Line {
  const members = parseStrictJson(text, { spaces: !canonical });
  if (!(members instanceof Map)) throw new Error('The line is not an object');
  if (canonical && members.has('key')) checkOrder(members);
  return { number, members, canonical };
}

function checkOrder(members: JsonObject): void {
  let last = -1;
  for (const name of members.keys()) {
    const rank = MEMBER_RANK.get(name) ?? -1;
    if (rank < last) throw new Error(`Member "${name}" comes too late`);
    last = rank;
  }
}

function readInstanceLine(line: Line, functions: Bytes[], scripts: Bytes[]): void {
  const type = line.members.get('type');
  if (type === 'function') functions.push(readText(line.members.get('value'), line));
  else if (type === 'script') scripts.push(readText(line.members.get('value'), line));
  else if (typeof type !== 'string') throw new Error('The line has neither key nor type');
}

function joinPart(open: OpenKey | undefined, line: Line): OpenKey {
  const { members } = line;
  for (const name of members.keys()) {
    if (!MEMBER_RANK.has(name)) throw new Error(`Unknown member "${name}"`);
  }
  const part = members.has('part') ? readInteger(members.get('part')) : undefined;
  if (open === undefined) {
    if (part !== undefined && part !== 0) throw new Error(`The key begins with part ${part}`);
    if (part === undefined && members.has('more')) throw new Error('"more" without "part"');
    return { head: line, parts: [line] };
  }
  if (part !== open.parts.length) throw new Error(`Part ${open.parts.length} was expected`);
  for (const name of ['db', 'key', 'type', 'expireAt']) {
    const before = open.head.members.get(name);
    if (JSON.stringify(before) !== JSON.stringify(members.get(name))) {
      throw new Error(`"${name}" changed between the parts of a key`);
    }
  }
  open.parts.push(line);
  return open;
}

function readKey(open: OpenKey): KeyModel {
  const { members } = open.head;
  const db = readInteger(members.get('db'));
  const key = readText(members.get('key'), open.head);
  const type = members.get('type');
  if (typeof type !== 'string') throw new Error('"type" is missing');
  try {
    const value = readValue(type, open.parts);
    checkSize(open, value);
    return {
      db,
      key,
      type: value.kind === 'opaque' ? (value.name ?? type) : type,
      expireAt: optionalInteger(members.get('expireAt')),
      idleSeconds: optionalInteger(members.get('idleSeconds')),
      frequency: optionalInteger(members.get('frequency')),
      value,
    };
  } catch (error) {
    throw new Error(`${describeKey(db, key)}: ${(error as Error).message}`, { cause: error });
  }
}

function optionalInteger(value: Json | undefined): number | null {
  return value === undefined ? null : readInteger(value);
}

function readValue(type: string, parts: Line[]): ValueModel {
  switch (type) {
    case 'string':
      return { kind: 'string', bytes: readStringParts(parts) };
    case 'list':
      return { kind: 'list', items: readItems(parts) };
    case 'set':
      return setValue(readItems(parts));
    case 'hash':
      return hashValue(readHash(parts));
    case 'zset':
      return zsetValue(readZset(parts));
    case 'stream':
      return readStream(parts.map(toStreamPart));
    case 'array':
      return readArray(parts);
    case 'module':
    case 'opaque':
      return readOpaque(parts);
    default:
      throw new Error(`Unknown type "${type}"`);
  }
}

function toStreamPart(line: Line): StreamPart {
  const value = line.members.get('value');
  if (!(value instanceof Map)) throw new Error('The value of a stream is not an object');
  const pairsLeft = line.members.get('entryMore');
  return {
    value,
    cut: line.members.get('elementMore') ?? false,
    pairsLeft: pairsLeft === undefined ? undefined : readInteger(pairsLeft),
    text: (v) => readText(v, line),
  };
}

function readStringParts(parts: Line[]): Bytes {
  const pieces = parts.map((line) => readText(line.members.get('value'), line));
  for (const [i, piece] of pieces.entries()) {
    if (i < pieces.length - 1 && piece.length !== PIECE_BYTES) {
      throw new Error(`Part ${i} of a string has ${piece.length} bytes`);
    }
  }
  return pieces.join('');
}

/** Items of a list or set; the last of a line goes on in the next where it says "elementMore". */
function readItems(parts: Line[]): Bytes[] {
  const items: Bytes[] = [];
  let cut = false;
  for (const line of parts) {
    const value = line.members.get('value');
    if (!Array.isArray(value)) throw new Error('The value is not an array');
    if (cut && value.length === 0) throw new Error('The rest of an element is missing');
    for (const [i, item] of value.entries()) {
      const text = readText(item, line);
      if (cut && i === 0) items.push((items.pop() ?? '') + text);
      else items.push(text);
    }
    cut = line.members.get('elementMore') === true;
  }
  if (cut) throw new Error('The last element is not complete');
  return items;
}

/** One member of a hash or zset, joined from the pieces in which it came. */
type Joined = { name: Bytes; lastName: Bytes; values: Json[]; lines: Line[]; expireAt?: number };

/**
 * Members of an object over several lines. After `"elementMore":"name"` (the cut name stands there
 * with `null`) the next line's first name continues it; after `true` that name is empty or
 * repeated, and its value continues the value.
 */
function joinMembers(parts: Line[]): Joined[] {
  const joined: Joined[] = [];
  let cut: Json = false;
  for (const line of parts) {
    const value = line.members.get('value');
    if (!(value instanceof Map)) throw new Error('The value is not an object');
    if (cut !== false && value.size === 0) throw new Error('The rest of an element is missing');
    const expiries = readFieldExpiries(line);
    let first = true;
    for (const [rawName, item] of value) {
      const name = readText(rawName, line);
      let member: Joined;
      if (first && cut !== false) {
        member = joined.at(-1) as Joined;
        continueMember(member, name, item, line, cut);
      } else {
        member = { name, lastName: name, values: [item], lines: [line] };
        joined.push(member);
      }
      const expireAt = expiries.get(name);
      if (expireAt !== undefined) member.expireAt = expireAt;
      expiries.delete(name);
      first = false;
    }
    if (expiries.size > 0) throw new Error('"fieldExpireAt" names a field that is not in the line');
    cut = line.members.get('elementMore') ?? false;
  }
  if (cut !== false) throw new Error('The last element is not complete');
  return joined;
}

function continueMember(member: Joined, name: Bytes, item: Json, line: Line, cut: Json): void {
  if (cut === 'name') {
    if (member.values.pop() !== null) throw new Error('A cut name has a value');
    member.lines.pop();
    member.name += name;
  } else if (name !== '' && name !== member.name && name !== member.lastName) {
    throw new Error('A continued value has another name');
  }
  member.lastName = name;
  member.values.push(item);
  member.lines.push(line);
}

function readFieldExpiries(line: Line): Map<Bytes, number> {
  const expiries = new Map<Bytes, number>();
  const value = line.members.get('fieldExpireAt');
  if (value === undefined) return expiries;
  if (!(value instanceof Map)) throw new Error('"fieldExpireAt" is not an object');
  if (line.canonical && value.size === 0) throw new Error('"fieldExpireAt" is empty');
  for (const [field, ms] of value) expiries.set(readText(field, line), readInteger(ms));
  return expiries;
}

function readHash(parts: Line[]): HashField[] {
  return joinMembers(parts).map(({ name, values, lines, expireAt }) => {
    const texts = values.map((value, i) => readText(value, lines[i]));
    return [name, texts.join(''), expireAt ?? null];
  });
}

function readZset(parts: Line[]): ZsetMember[] {
  return joinMembers(parts).map(({ name, values, expireAt }) => {
    if (expireAt !== undefined) throw new Error('A sorted set has no fields that expire');
    return [name, scoreBits(readScore(values.at(-1)))];
  });
}

function readScore(value: Json | undefined): number {
  if (value === 'inf') return Number.POSITIVE_INFINITY;
  if (value === '-inf') return Number.NEGATIVE_INFINITY;
  if (!(value instanceof JsonNumber)) throw new Error('A score is not a number');
  return value.value;
}

function readArray(parts: Line[]): ValueModel {
  const items: ArrayItem[] = [];
  let insertIndex: string | null = null;
  let cut = false;
  for (const line of parts) {
    const value = line.members.get('value');
    if (!(value instanceof Map)) throw new Error('The value of an array is not an object');
    for (const [name, member] of value) {
      if (name === 'insertIndex') insertIndex = member === null ? null : readCounter(member);
      else if (name !== 'items' || !Array.isArray(member)) throw new Error(`Odd member "${name}"`);
      else {
        for (const pair of member) {
          if (!Array.isArray(pair) || pair.length !== 2) throw new Error('An item is not a pair');
          const item: ArrayItem = [readCounter(pair[0]), readText(pair[1], line)];
          const before = cut ? items.pop() : undefined;
          if (before !== undefined && before[0] !== item[0])
            throw new Error('Another index goes on');
          items.push(before === undefined ? item : [item[0], before[1] + item[1]]);
          cut = false;
        }
      }
    }
    cut = line.members.get('elementMore') === true;
  }
  return { kind: 'array', insertIndex, items };
}

function readOpaque(parts: Line[]): ValueModel {
  const values = parts.map((line) => line.members.get('value'));
  const head = values[0];
  if (!(head instanceof Map)) throw new Error('The value is not an object');
  const pieces = values.map((value) => {
    if (!(value instanceof Map)) throw new Error('The value is not an object');
    return readText(value.get('payload'), { canonical: false });
  });
  const name = head.get('name') ?? null;
  if (name !== null && typeof name !== 'string') throw new Error('"name" is not a string');
  if (!['redis', 'valkey'].includes(head.get('dialect') as string)) throw new Error('Odd dialect');
  readInteger(head.get('rdbVersion'));
  const rdbType = readInteger(head.get('rdbType'));
  return { kind: 'opaque', name, rdbType, payload: pieces.join('') };
}

/** What part 0 announced must have come. */
function checkSize(open: OpenKey, value: ValueModel): void {
  const { members } = open.head;
  const announced = members.get('bytes') ?? members.get('elements');
  if (announced === undefined) return;
  const count = sizeOf(value);
  if (readInteger(announced) !== count) {
    throw new Error(`${readInteger(announced)} bytes or elements were announced, ${count} came`);
  }
}

function sizeOf(value: ValueModel): number {
  switch (value.kind) {
    case 'string':
      return value.bytes.length;
    case 'list':
    case 'array':
      return value.items.length;
    case 'set':
    case 'zset':
      return value.members.length;
    case 'hash':
      return value.fields.length;
    case 'stream':
      return value.stream.entries.length;
    case 'vectorset':
      return value.vectors.elements.length;
    case 'opaque':
      return value.payload.length;
  }
}
