/**
 * The comparable form of a data set that every reader of the tests produces: decoded backups,
 * ground truth files and live servers alike. Bytes are Latin-1 strings (one character per byte), so
 * that they can be map keys and `<` orders them by byte. What has no order in Redis is sorted.
 *
 * `undefined` in an optional place means "this reader cannot know", and is never compared. `null`
 * means "known to be absent or unknown to the server", and is compared.
 */
export type Bytes = string;

export type Model = {
  /** By `keyId`. */
  readonly keys: Map<string, KeyModel>;
  /** Source code of every function library, sorted. */
  functions: Bytes[] | undefined;
  /** Bodies of cached scripts, sorted. */
  scripts: Bytes[] | undefined;
  /** How far expiries may be off, where the reader could only compute them. */
  expiryToleranceMs?: number;
};

export type KeyModel = {
  readonly db: number;
  readonly key: Bytes;
  readonly type: string;
  readonly expireAt: number | null;
  readonly idleSeconds?: number | null | undefined;
  readonly frequency?: number | null | undefined;
  readonly value: ValueModel;
};

export type ValueModel =
  | { readonly kind: 'string'; readonly bytes: Bytes }
  | { readonly kind: 'list'; readonly items: readonly Bytes[] }
  | { readonly kind: 'set'; readonly members: readonly Bytes[] }
  | { readonly kind: 'hash'; readonly fields: readonly HashField[] }
  | { readonly kind: 'zset'; readonly members: readonly ZsetMember[] }
  | { readonly kind: 'stream'; readonly stream: StreamModel }
  | { readonly kind: 'array'; readonly insertIndex: string | null; readonly items: ArrayItem[] }
  | { readonly kind: 'vectorset'; readonly vectors: VectorSetModel }
  | {
      readonly kind: 'opaque';
      readonly name: string | null;
      readonly rdbType: number;
      /** Without type byte and footer. */
      readonly payload: Bytes;
    };

export type HashField = readonly [field: Bytes, value: Bytes, expireAt: number | null];
/** The score as 16 hex digits of the IEEE double, big endian, where −0 is written as 0. */
export type ZsetMember = readonly [member: Bytes, scoreBits: string];
export type ArrayItem = readonly [index: string, text: Bytes];

export type StreamModel = {
  readonly entries: readonly (readonly [id: string, texts: readonly Bytes[]])[];
  readonly lastId: string;
  readonly firstId?: string | null | undefined;
  readonly maxDeletedId?: string | null | undefined;
  readonly entriesAdded?: string | null | undefined;
  readonly groups: readonly GroupModel[];
  readonly idmp?: IdmpModel | null | undefined;
};

export type GroupModel = {
  readonly name: Bytes;
  readonly lastId: string;
  readonly entriesRead?: string | null | undefined;
  readonly consumers: readonly ConsumerModel[];
  readonly pending: readonly PendingModel[];
  /** The reader computed times from idle times: they may be off by seconds. */
  readonly timesApprox: boolean;
};

export type ConsumerModel = {
  readonly name: Bytes;
  readonly seenAt?: number | undefined;
  readonly activeAt?: number | null | undefined;
};

export type PendingModel = {
  readonly id: string;
  /** `null`: given back, owned by nobody. */
  readonly consumer: Bytes | null;
  readonly deliveredAt: number;
  readonly deliveries: number;
};

export type IdmpModel = {
  readonly duration: number;
  readonly maxSize: number;
  readonly iidsAdded: number;
  readonly iidsDuplicates: number;
  readonly producers: number;
  readonly iids: number;
};

export type VectorSetModel = {
  readonly dim: number;
  readonly quantization: string;
  /** Sorted by element; vectors as the server prints them, in its own precision. */
  readonly elements: readonly {
    readonly element: Bytes;
    readonly attributes: Bytes | null;
    readonly raw: Bytes;
    readonly norm: string;
    readonly range: string | null;
  }[];
};

export function createModel(): Model {
  return { keys: new Map(), functions: [], scripts: undefined };
}

export function keyId(db: number, key: Bytes): string {
  return `${db}:${key}`;
}

/** Adds a key that must not be there yet. */
export function addKey(model: Model, key: KeyModel): void {
  const id = keyId(key.db, key.key);
  if (model.keys.has(id)) throw new Error(`The same key twice: ${describeKey(key.db, key.key)}`);
  model.keys.set(id, key);
}

export function describeKey(db: number, key: Bytes): string {
  return `db ${db} ${describeBytes(key)}`;
}

/** Bytes for a message: as text when they are UTF-8, otherwise in hex, cut at 60. */
export function describeBytes(bytes: Bytes): string {
  const cut = Buffer.from(bytes.slice(0, 60), 'latin1');
  const text = cut.toString('utf8');
  const shown = text.includes('\ufffd') ? `0x${cut.toString('hex')}` : JSON.stringify(text);
  return bytes.length > 60 ? `${shown}… (${bytes.length} bytes)` : shown;
}

const scratch = new DataView(new ArrayBuffer(8));

export function scoreBits(score: number): string {
  if (Number.isNaN(score)) throw new Error('A score is not a number');
  scratch.setFloat64(0, score === 0 ? 0 : score);
  return scratch.getBigUint64(0).toString(16).padStart(16, '0');
}

export function compareBytes(a: Bytes, b: Bytes): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function setValue(members: readonly Bytes[]): ValueModel {
  return { kind: 'set', members: sortDistinct([...members], (member) => member) };
}

export function hashValue(fields: readonly HashField[]): ValueModel {
  return { kind: 'hash', fields: sortDistinct([...fields], (field) => field[0]) };
}

export function zsetValue(members: readonly ZsetMember[]): ValueModel {
  return { kind: 'zset', members: sortDistinct([...members], (member) => member[0]) };
}

/** Puts groups, consumers and pending entries into their normal order. */
export function streamValue(stream: StreamModel): ValueModel {
  const groups = stream.groups.map((group) => ({
    ...group,
    consumers: sortDistinct([...group.consumers], (consumer) => consumer.name),
    pending: [...group.pending].sort((a, b) => compareIds(a.id, b.id)),
  }));
  return { kind: 'stream', stream: { ...stream, groups: sortDistinct(groups, (g) => g.name) } };
}

export function compareIds(a: string, b: string): number {
  const [aMs = '', aSeq = ''] = a.split('-');
  const [bMs = '', bSeq = ''] = b.split('-');
  return compareDecimals(aMs, bMs) || compareDecimals(aSeq, bSeq);
}

function compareDecimals(a: string, b: string): number {
  return a.length - b.length || compareBytes(a, b);
}

/** Sorts in place by bytes; two elements with the same name are damage. */
export function sortDistinct<T>(elements: T[], name: (element: T) => Bytes): T[] {
  elements.sort((a, b) => compareBytes(name(a), name(b)));
  for (let i = 1; i < elements.length; i++) {
    const here = name(elements[i]);
    if (here === name(elements[i - 1])) {
      throw new Error(`The same member twice: ${describeBytes(here)}`);
    }
  }
  return elements;
}

export function utf8ToBytes(text: string): Bytes {
  return Buffer.from(text, 'utf8').toString('latin1');
}
