import {
  type Bytes,
  hashValue,
  scoreBits,
  setValue,
  streamValue,
  type ValueModel,
  zsetValue,
} from './model.ts';

/**
 * RDB files of types, versions and opcodes that no server at hand writes, or writes only by chance,
 * put together by hand from the format's description (docs/formats/rdb.md): each with the keys that
 * reading it must give. Nothing here comes from our encoder or decoder, checksum included.
 */
export type Relic = {
  readonly name: string;
  readonly dialect: 'redis' | 'valkey';
  readonly rdbVersion: number;
  /** The whole file, its checksum included where its version has one. */
  readonly file: Buffer;
  readonly keys: readonly RelicKey[];
};

export type RelicKey = {
  readonly db: number;
  readonly key: Bytes;
  readonly expireAt: number | null;
  readonly idleSeconds?: number;
  readonly frequency?: number;
  readonly value: ValueModel;
};

/** A file that must be refused, and with which code. */
export type RefusedRelic = {
  readonly name: string;
  readonly file: Buffer;
  readonly code: 'RDB_CORRUPT' | 'RDB_UNSUPPORTED' | 'RDB_TRUNCATED' | 'RDB_CHECKSUM';
};

/** Bytes of a file: hex text (spaces and `|` for the eye), single bytes, or more of the same. */
type Part = string | number | Uint8Array | readonly Part[];

export function raw(...parts: Part[]): Buffer {
  const flat = parts.map((part) => {
    if (typeof part === 'string') return Buffer.from(part.replace(/[\s|[\]]/g, ''), 'hex');
    if (typeof part === 'number') return Buffer.from([part]);
    return part instanceof Uint8Array ? Buffer.from(part) : raw(...part);
  });
  return Buffer.concat(flat);
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function int(value: bigint | number, width: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  return bytes.subarray(0, width);
}

function double(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
}

export function len(value: bigint | number): Buffer {
  const n = BigInt(value);
  if (n < 64n) return raw(Number(n));
  if (n < 16384n) return raw(0x40 | Number(n >> 8n), Number(n & 0xffn));
  const bytes = Buffer.alloc(9);
  if (n < 1n << 32n) {
    bytes[0] = 0x80;
    bytes.writeUInt32BE(Number(n), 1);
    return bytes.subarray(0, 5);
  }
  bytes[0] = 0x81;
  bytes.writeBigUInt64BE(n, 1);
  return bytes;
}

/** A string as length and bytes. */
export function str(text: Bytes | Uint8Array): Buffer {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'latin1') : Buffer.from(text);
  return raw(len(bytes.length), bytes);
}

/** A string in LZF, of literals only: as good as any other for a reader. */
export function lzf(text: Bytes | Uint8Array): Buffer {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'latin1') : Buffer.from(text);
  const runs: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 32) {
    const run = bytes.subarray(at, at + 32);
    runs.push(raw(run.length - 1, run));
  }
  const packed = Buffer.concat(runs);
  return raw('c3', len(packed.length), len(bytes.length), packed);
}

/** A ziplist out of entries that carry their own encoding, but not the size of the one before. */
function ziplist(
  entries: readonly Part[],
  how: { longSizes?: boolean; count?: number } = {},
): Buffer {
  const parts: Buffer[] = [];
  let before = 0;
  let offset = 10;
  let last = 10;
  for (const entry of entries) {
    const small = before < 254 && how.longSizes !== true;
    const whole = raw(small ? before : [0xfe, u32(before)], entry);
    parts.push(whole);
    last = offset;
    offset += whole.length;
    before = whole.length;
  }
  const body = Buffer.concat(parts);
  return raw(u32(11 + body.length), u32(last), u16(how.count ?? entries.length), body, 'ff');
}

function zipText(text: Bytes): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  if (bytes.length < 64) return raw(bytes.length, bytes);
  if (bytes.length < 16384) return raw(0x40 | (bytes.length >> 8), bytes.length & 0xff, bytes);
  const size = Buffer.alloc(4);
  size.writeUInt32BE(bytes.length);
  return raw('80', size, bytes);
}

/** A listpack out of entries that carry their own encoding, but not their backward size. */
function listpack(entries: readonly Part[], count = entries.length): Buffer {
  const body = Buffer.concat(
    entries.map((entry) => {
      const bytes = raw(entry);
      const back: number[] = [];
      for (let rest = bytes.length; rest > 0 || back.length === 0; rest = Math.floor(rest / 128)) {
        back.unshift((rest & 0x7f) | 0x80);
      }
      back[0] = (back[0] ?? 0) & 0x7f;
      return raw(bytes, back);
    }),
  );
  return raw(u32(7 + body.length), u16(count), body, 'ff');
}

function packText(text: Bytes): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  if (bytes.length < 64) return raw(0x80 | bytes.length, bytes);
  if (bytes.length < 4096) return raw(0xe0 | (bytes.length >> 8), bytes.length & 0xff, bytes);
  return raw('f0', u32(bytes.length), bytes);
}

function intset(width: 2 | 4 | 8, members: readonly (bigint | number)[]): Buffer {
  return raw(u32(width), u32(members.length), ...members.map((member) => int(member, width)));
}

/** 16 big-endian bytes of a stream id. */
function rawId(ms: bigint | number, seq: bigint | number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64BE(BigInt(ms));
  bytes.writeBigUInt64BE(BigInt(seq), 8);
  return bytes;
}

/** CRC64 of RDB, bit by bit. */
export function slowCrc64(bytes: Uint8Array): Buffer {
  let crc = 0n;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) {
      crc = (crc & 1n) === 1n ? (crc >> 1n) ^ 0x95ac9329ac4bc9b5n : crc >> 1n;
    }
  }
  const stored = Buffer.alloc(8);
  stored.writeBigUInt64LE(crc);
  return stored;
}

type Magic = number | 'valkey80';

function magicText(magic: Magic): string {
  return magic === 'valkey80' ? 'VALKEY080' : `REDIS${String(magic).padStart(4, '0')}`;
}

/** A file of these records. Before version 5 there was no checksum. */
export function rdbFile(magic: Magic, ...records: Part[]): Buffer {
  const body = raw(Buffer.from(magicText(magic)), ...records, 'ff');
  return magic !== 'valkey80' && magic < 5 ? body : raw(body, slowCrc64(body));
}

function relic(
  name: string,
  magic: Magic,
  records: readonly Part[],
  keys: readonly RelicKey[],
): Relic {
  return {
    name,
    dialect: magic === 'valkey80' ? 'valkey' : 'redis',
    rdbVersion: magic === 'valkey80' ? 80 : magic,
    file: rdbFile(magic, ...records),
    keys,
  };
}

/** A file with the one key `k` in database 0. */
function one(name: string, magic: Magic, type: number, body: Part, value: ValueModel): Relic {
  return relic(name, magic, ['fe 00', type, str('k'), body], [plainKey('k', value)]);
}

function plainKey(key: Bytes, value: ValueModel, db = 0): RelicKey {
  return { db, key, expireAt: null, value };
}

const stringOf = (bytes: Bytes): ValueModel => ({ kind: 'string', bytes });
const listOf = (...items: Bytes[]): ValueModel => ({ kind: 'list', items });
const setOf = (...members: Bytes[]): ValueModel => setValue(members);
const hashOf = (...pairs: [Bytes, Bytes, (number | null)?][]): ValueModel =>
  hashValue(pairs.map(([field, value, at = null]) => [field, value, at]));
const zsetOf = (...pairs: [Bytes, number][]): ValueModel =>
  zsetValue(pairs.map(([member, score]) => [member, scoreBits(score)]));

export const FAR_MS = 4_102_444_800_000;

export function relics(): Relic[] {
  return [
    ...stringRelics(),
    ...genericRelics(),
    ...zipmapRelics(),
    ...ziplistRelics(),
    ...intsetRelics(),
    ...listpackRelics(),
    ...fieldExpiryRelics(),
    ...streamRelics(),
    ...arrayRelics(),
    ...templateRelics(),
    ...opcodeRelics(),
    ...versionRelics(),
    ...moduleRelics(),
    ...keydbRelics(),
  ];
}

function stringRelics(): Relic[] {
  const long = 'abcdefghij'.repeat(1700);
  return [
    one('string', 1, 0, str('hello'), stringOf('hello')),
    one('string, empty', 6, 0, '00', stringOf('')),
    one('string, bytes that are no text', 6, 0, '04 00ff80fe', stringOf('\0\xff\x80\xfe')),
    one('string, int8', 6, 0, 'c0 f4', stringOf('-12')),
    one('string, int16', 6, 0, 'c1 d4fe', stringOf('-300')),
    one('string, int32', 6, 0, 'c2 00000080', stringOf('-2147483648')),
    one('string, length in 14 bits although 6 would do', 6, 0, '4003 616263', stringOf('abc')),
    one(
      'string, length in 32 bits although 6 would do',
      6,
      0,
      '8000000003 616263',
      stringOf('abc'),
    ),
    one('string, length in 64 bits', 8, 0, '81 0000000000000003 616263', stringOf('abc')),
    one('string of 17,000 bytes', 6, 0, str(long), stringOf(long)),
    one('string, LZF of literals', 6, 0, lzf(long), stringOf(long)),
    one(
      'string, LZF with an overlapping reference',
      6,
      0,
      'c3 09 4064 016161 e05700 016161',
      stringOf('a'.repeat(100)),
    ),
  ];
}

function genericRelics(): Relic[] {
  const scores: Part[] = [
    [str('a'), 3, Buffer.from('1.5')],
    [str('b'), 'fe'],
    [str('c'), 'ff'],
    [str('d'), 19, Buffer.from('0.10000000000000001')],
    [str('e'), 5, Buffer.from('1e+20')],
    ['c0 07', 2, Buffer.from('-0')],
    [str('g'), 20, Buffer.from('-17976931348623157e5')],
  ];
  return [
    one(
      'list, generic',
      1,
      1,
      ['04', str('a'), 'c0 ff', lzf('z'.repeat(40)), '00'],
      listOf('a', '-1', 'z'.repeat(40), ''),
    ),
    one('set, generic', 1, 2, ['03', str('a'), 'c0 05', str('007')], setOf('a', '5', '007')),
    one(
      'hash, generic',
      1,
      4,
      ['02', str('f'), str('v'), 'c0 0c', 'c1 2c01'],
      hashOf(['f', 'v'], ['12', '300']),
    ),
    one(
      'zset, text scores',
      1,
      3,
      ['07', ...scores],
      zsetOf(
        ['a', 1.5],
        ['b', Number.POSITIVE_INFINITY],
        ['c', Number.NEGATIVE_INFINITY],
        ['d', 0.1],
        ['e', 1e20],
        ['7', -0],
        ['g', -17976931348623157e5],
      ),
    ),
    one(
      'zset, binary scores',
      8,
      5,
      ['03', str('m'), double(1.5), 'c0 01', double(-Infinity), str('z'), double(5e-324)],
      zsetOf(['m', 1.5], ['1', Number.NEGATIVE_INFINITY], ['z', 5e-324]),
    ),
  ];
}

function zipmapRelics(): Relic[] {
  const field = 'f'.repeat(300);
  const value = 'v'.repeat(1000);
  const padded = raw('02', '01 61 02 00 3132', '01 62 01 03 78 000000', 'ff');
  const uncounted = raw(
    'fe',
    ['fe', u32(300), Buffer.from(field)],
    ['fe', u32(1000), '02', Buffer.from(value), 'ffff'],
    '01 63 00 00',
    'ff',
  );
  return [
    one('hash, zipmap with free space', 2, 9, str(padded), hashOf(['a', '12'], ['b', 'x'])),
    one(
      'hash, zipmap without a count, long lengths',
      2,
      9,
      lzf(uncounted),
      hashOf([field, value], ['c', '']),
    ),
  ];
}

function ziplistRelics(): Relic[] {
  const middle = 'm'.repeat(300);
  const long = 'l'.repeat(20_000);
  const entries: [Part, Bytes][] = [
    [zipText('text'), 'text'],
    [zipText(''), ''],
    ['f1', '0'],
    ['fd', '12'],
    ['fe 80', '-128'],
    ['c0 0080', '-32768'],
    ['f0 000080', '-8388608'],
    ['d0 00000080', '-2147483648'],
    ['e0 0000000000000080', '-9223372036854775808'],
    ['e0 ffffffffffffff7f', '9223372036854775807'],
    [zipText(middle), middle],
    ['f2', '1'],
    [zipText(long), long],
    ['fe 0d', '13'],
  ];
  const encoded = entries.map(([entry]) => entry);
  const texts = entries.map(([, text]) => text);
  const pair = [zipText('f'), zipText('v'), zipText('n'), 'fd'];
  const scored = [zipText('c'), zipText('-inf'), zipText('a'), 'f2', zipText('b')];
  const scores = [...scored, zipText('2.5'), zipText('d'), zipText('0.10000000000000001')];
  const scoresOf = zsetOf(['c', Number.NEGATIVE_INFINITY], ['a', 1], ['b', 2.5], ['d', 0.1]);
  return [
    one('list, ziplist of every encoding', 2, 10, str(ziplist(encoded)), listOf(...texts)),
    one(
      'list, ziplist with long previous sizes and no count',
      2,
      10,
      str(ziplist(encoded, { longSizes: true, count: 0xffff })),
      listOf(...texts),
    ),
    one('hash, ziplist', 4, 13, str(ziplist(pair)), hashOf(['f', 'v'], ['n', '12'])),
    one('hash, ziplist in LZF', 4, 13, lzf(ziplist(pair)), hashOf(['f', 'v'], ['n', '12'])),
    one('zset, ziplist', 2, 12, str(ziplist(scores)), scoresOf),
    one(
      'list, quicklist of ziplists',
      7,
      14,
      ['03', str(ziplist([zipText('a'), 'fe ff'])), lzf(ziplist(encoded)), str(ziplist(['f1']))],
      listOf('a', '-1', ...texts, '0'),
    ),
  ];
}

function intsetRelics(): Relic[] {
  const widest = [-9223372036854775808n, -1n, 9223372036854775807n];
  return [
    one('set, intset of 16 bits', 2, 11, str(intset(2, [-32768, 0, 7])), setOf('-32768', '0', '7')),
    one(
      'set, intset of 32 bits',
      2,
      11,
      str(intset(4, [-5, 1, 300000])),
      setOf('-5', '1', '300000'),
    ),
    one('set, intset of 64 bits', 2, 11, str(intset(8, widest)), setOf(...widest.map(String))),
    one('set, intset in LZF', 2, 11, lzf(intset(2, [1, 2])), setOf('1', '2')),
  ];
}

function listpackRelics(): Relic[] {
  const middle = 'm'.repeat(200);
  const long = 'l'.repeat(20_000);
  const entries: [Part, Bytes][] = [
    ['00', '0'],
    ['7f', '127'],
    [packText(''), ''],
    [packText('007'), '007'],
    ['dfff', '-1'],
    ['d000', '-4096'],
    ['cfff', '4095'],
    ['f1 0080', '-32768'],
    ['f2 000080', '-8388608'],
    ['f3 00000080', '-2147483648'],
    ['f4 0000000000000080', '-9223372036854775808'],
    ['f4 ffffffffffffff7f', '9223372036854775807'],
    [packText(middle), middle],
    [packText(long), long],
  ];
  const encoded = entries.map(([entry]) => entry);
  const texts = entries.map(([, text]) => text);
  const pairs = [packText('f'), packText('v'), packText('n'), 'c12c'];
  const scores = [packText('a'), '01', packText('b'), packText('2.5'), packText('c')];
  return [
    one(
      'list, quicklist2 of every listpack encoding, and a plain node',
      10,
      18,
      ['03', '02', str(listpack(encoded)), '01', str(long), '02', lzf(listpack(['dfff']))],
      listOf(...texts, long, '-1'),
    ),
    one('set, listpack without a count', 11, 20, str(listpack(encoded, 0xffff)), setOf(...texts)),
    one('hash, listpack', 10, 16, str(listpack(pairs)), hashOf(['f', 'v'], ['n', '300'])),
    one(
      'zset, listpack',
      10,
      17,
      str(listpack([...scores, packText('inf')])),
      zsetOf(['a', 1], ['b', 2.5], ['c', Number.POSITIVE_INFINITY]),
    ),
  ];
}

function fieldExpiryRelics(): Relic[] {
  const ms = int(FAR_MS, 8);
  const at = (value: number): Buffer => raw('f4', int(value, 8));
  const triples = [packText('a'), '01', at(FAR_MS), packText('b'), '02', at(FAR_MS + 1000)];
  return [
    one(
      'hash with field expiry, Redis',
      12,
      24,
      [ms, '03', '00', str('b'), 'c0 02', '01', str('a'), 'c0 01', len(5001), str('c'), str('x')],
      hashOf(['a', '1', FAR_MS], ['b', '2'], ['c', 'x', FAR_MS + 5000]),
    ),
    one(
      'hash with field expiry, Redis, least expiry not given',
      12,
      24,
      [int(0, 8), '02', len(FAR_MS + 1), str('a'), str('1'), '00', str('b'), str('2')],
      hashOf(['a', '1', FAR_MS], ['b', '2']),
    ),
    one(
      'hash with field expiry, Redis listpack',
      12,
      25,
      [ms, str(listpack([...triples, packText('c'), '03', '00']))],
      hashOf(['a', '1', FAR_MS], ['b', '2', FAR_MS + 1000], ['c', '3']),
    ),
    one(
      'hash with field expiry, Valkey',
      'valkey80',
      22,
      ['02', str('a'), 'c0 01', ms, str('c'), 'c0 03', 'ffffffffffffffff'],
      hashOf(['a', '1', FAR_MS], ['c', '3']),
    ),
  ];
}

/** The time of all deliveries and consumers of the stream relics. */
const SEEN_MS = 1_795_353_810_035;

/** Entries 5-1 (deleted), 5-2 {f: 2} and 6-0 {g: 3} in one node. */
function streamNode(): Buffer {
  const entries = [
    ['02', '01', '01', packText('f'), '00'],
    ['03', '00', '00', '01', '04'],
    ['02', '00', '01', '02', '04'],
    ['00', '01', 'dfff', '01', packText('g'), '03', '06'],
  ];
  return raw(str(rawId(5, 1)), str(listpack(entries.flat())));
}

function streamRelics(): Relic[] {
  const max = 0xffff_ffff_ffff_ffffn;
  const seen = int(SEEN_MS, 8);
  const counters = ['05 02', '05 01', '03'];
  const pending = [rawId(5, 1), seen, '01', rawId(5, 2), seen, '01'];
  const owned = [rawId(5, 1), rawId(5, 2)];
  const entries: [string, Bytes[]][] = [
    ['5-2', ['f', '2']],
    ['6-0', ['g', '3']],
  ];
  const delivery = { deliveredAt: SEEN_MS, deliveries: 1, consumer: 'c' };
  const group = {
    name: 'G',
    lastId: '5-2',
    pending: [
      { id: '5-1', ...delivery },
      { id: '5-2', ...delivery },
    ],
    timesApprox: false,
  };
  const old = { entries, lastId: '6-0', firstId: null, maxDeletedId: null, entriesAdded: null };
  const counted = { ...old, firstId: '5-2', maxDeletedId: '5-1', entriesAdded: '3' };
  const consumer = { name: 'c', seenAt: SEEN_MS, activeAt: null };
  const active = { ...consumer, activeAt: SEEN_MS };
  const plainGroup = { ...group, entriesRead: '2', consumers: [active] };
  const start = ['01', streamNode(), '02 06 00'];
  const idmpValue = {
    duration: 86400,
    maxSize: 50,
    iidsAdded: 70_000,
    iidsDuplicates: 2,
    producers: 2,
    iids: 3,
  };
  const idmp = [
    [len(86400), len(50), '02'],
    [str('p1'), '02', str('i1'), '05 02', str('i2'), '06 00'],
    [str('p2'), '01', 'c0 07', len(max), '00'],
    [len(70_000), '02'],
  ];
  const noIdmp = { ...idmpValue, duration: 100, maxSize: 100, iidsAdded: 0, iidsDuplicates: 0 };
  const nacked = [
    rawId(5, 1),
    seen,
    '01',
    rawId(5, 2),
    int(0, 8),
    '02',
    ['01', str('c'), seen, seen, '01', rawId(5, 1)],
    ['01', rawId(5, 2)],
  ];
  return [
    one(
      'stream of RDB 9',
      9,
      15,
      [start, '01', str('G'), '05 02', '02', pending, '01', str('c'), seen, '02', owned],
      streamValue({
        ...old,
        groups: [{ ...group, entriesRead: null, consumers: [consumer] }],
        idmp: null,
      }),
    ),
    one(
      'stream of RDB 10, entries read unknown',
      10,
      19,
      [
        [start, counters, '01', str('G'), '05 02', '81 ffffffffffffffff'],
        ['02', pending, '01', str('c'), seen, '02', owned],
      ],
      streamValue({
        ...counted,
        groups: [{ ...group, entriesRead: null, consumers: [consumer] }],
        idmp: null,
      }),
    ),
    one(
      'stream of RDB 11, a consumer that was never active',
      11,
      21,
      [
        [start, counters, '01', str('G'), '05 02 02', '02', pending],
        ['02', str('c'), seen, seen, '02', owned, str('d'), seen, 'ffffffffffffffff', '00'],
      ],
      streamValue({
        ...counted,
        groups: [{ ...plainGroup, consumers: [active, { ...consumer, name: 'd' }] }],
        idmp: null,
      }),
    ),
    one(
      'stream of RDB 13, idempotent producers',
      13,
      26,
      [
        [start, counters, '01', str('G'), '05 02 02', '02', pending],
        ['01', str('c'), seen, seen, '02', owned],
        idmp,
      ],
      streamValue({ ...counted, groups: [plainGroup], idmp: idmpValue }),
    ),
    one(
      'stream of RDB 14, an entry given back',
      14,
      27,
      [start, counters, '01', str('G'), '05 02 02', '02', nacked, len(100), len(100), '00 00 00'],
      streamValue({
        ...counted,
        groups: [
          {
            ...plainGroup,
            pending: [
              { id: '5-1', ...delivery },
              { id: '5-2', deliveredAt: 0, deliveries: 2, consumer: null },
            ],
          },
        ],
        idmp: { ...noIdmp, producers: 0, iids: 0 },
      }),
    ),
    one(
      'stream, empty, with the greatest ids',
      9,
      15,
      ['00', '00', len(max), len(max), '00'],
      streamValue({ ...old, entries: [], lastId: `${max}-${max}`, groups: [], idmp: null }),
    ),
    one(
      'stream whose deltas wrap around',
      9,
      15,
      [
        ['01', str(rawId(1, max))],
        str(
          listpack(
            [
              ['03', '00', '01', packText('f'), '00'],
              ['02', '00', '00', '01', '04'],
              ['02', '01', '01', '02', '04'],
              ['02', raw('f4', int(-2n, 8)), '01', '03', '04'],
            ].flat(),
          ),
        ),
        ['03', len(max), '00', '00'],
      ],
      streamValue({
        ...old,
        entries: [
          [`1-${max}`, ['f', '1']],
          ['2-0', ['f', '2']],
          [`${max}-0`, ['f', '3']],
        ],
        lastId: `${max}-0`,
        groups: [],
        idmp: null,
      }),
    ),
  ];
}

function arrayRelics(): Relic[] {
  const all = [
    ['00', '03', str('abc')],
    ['01', '02', double(1.5)],
    ['02', '01', int(-2, 8)],
    ['09', '00', str('longer than seven')],
    ['0a', '02', double(300)],
    [len(1n << 40n), '01', int(-9223372036854775808n, 8)],
    [len((1n << 64n) - 2n), '03', '00'],
  ];
  return [
    one('array of every tag', 14, 28, ['07', '00', all], {
      kind: 'array',
      insertIndex: null,
      items: [
        ['0', 'abc'],
        ['1', '1.5'],
        ['2', '-2'],
        ['9', 'longer than seven'],
        ['10', '300.0'],
        [String(1n << 40n), '-9223372036854775808'],
        [String((1n << 64n) - 2n), ''],
      ],
    }),
    one('array with an insert index', 14, 28, ['01', '01', len(5_000_000_000), '05 03', str('x')], {
      kind: 'array',
      insertIndex: '5000000000',
      items: [['5', 'x']],
    }),
  ];
}

function templateRelics(): Relic[] {
  const fields = [str('id'), str('name')];
  const packedFields = str(listpack([packText('id'), packText('name')]));
  const templates = [
    ['f2', '00', '02', fields],
    ['f2', '01', '01', str('only')],
  ];
  const hash = hashOf(['id', '7'], ['name', 'Ann']);
  const values = listpack(['07', packText('Ann')]);
  return [
    one(
      'hash template, fields and values in listpacks',
      15,
      29,
      ['00', packedFields, str(listpack(['05', '07', packText('Ann')]))],
      hash,
    ),
    one(
      'hash template, fields as strings, values in a listpack',
      15,
      29,
      ['01 02', fields, str(listpack(['00', '07', packText('Ann')]))],
      hash,
    ),
    one('hash template, all as strings', 15, 31, ['01 02', fields, 'c0 07', str('Ann')], hash),
    one(
      'hash template, fields in a listpack',
      15,
      31,
      ['00', packedFields, 'c0 07', str('Ann')],
      hash,
    ),
    relic(
      'hashes that refer to templates of the file',
      15,
      [
        templates,
        ['fe 00', 30, str('a'), str(listpack(['00', '07', packText('Ann')]))],
        [32, str('b'), '01', str('x')],
        [32, str('c'), '00', 'c0 08', str('Bob')],
      ],
      [
        plainKey('a', hash),
        plainKey('b', hashOf(['only', 'x'])),
        plainKey('c', hashOf(['id', '8'], ['name', 'Bob'])),
      ],
    ),
    one('hash, listpack, in the version of templates', 15, 16, str(values), hashOf(['7', 'Ann'])),
  ];
}

function opcodeRelics(): Relic[] {
  const simple = (key: Bytes): Part => [0, str(key), str('v')];
  const value = stringOf('v');
  const module = moduleStream();
  return [
    relic(
      'AUX between keys, RESIZEDB, expiries, idle times and frequencies',
      9,
      [
        [
          'fa',
          str('redis-ver'),
          str('5.0.0'),
          'fa',
          str('redis-bits'),
          'c0 40',
          'fe 03',
          'fb 06 02',
        ],
        ['fc', int(FAR_MS, 8), simple('ms')],
        ['fa', str('anything'), str('else'), simple('plain')],
        ['fd', int(2_000_000_000, 4), simple('seconds')],
        ['f8', len(70_000), simple('idle'), 'f9 ff', simple('frequent')],
        ['fc', int(FAR_MS, 8), 'f8 05', simple('both'), 'fe', len(15), simple('other')],
      ],
      [
        { ...plainKey('ms', value, 3), expireAt: FAR_MS },
        plainKey('plain', value, 3),
        { ...plainKey('seconds', value, 3), expireAt: 2_000_000_000_000 },
        { ...plainKey('idle', value, 3), idleSeconds: 70_000 },
        { ...plainKey('frequent', value, 3), frequency: 255 },
        { ...plainKey('both', value, 3), expireAt: FAR_MS, idleSeconds: 5 },
        plainKey('other', value, 15),
      ],
    ),
    relic(
      'functions, slot counts, module AUX before and after the keys',
      12,
      [
        ['f7', moduleId('tidemark1', 3), '02 01', module, 'f5', str('#!lua name=one\nreturn 1')],
        ['fe 00', 'fb 01 00', 'f4', len(16383), '01 00', simple('k')],
        ['f7', moduleId('tidemark1', 3), '02 02', module],
      ],
      [plainKey('k', value)],
    ),
    relic(
      'metadata of a key, Redis',
      13,
      [
        'fe 00',
        ['f3', '02', u32(0x12345678), '02 2a 00', u32(7), module, simple('with')],
        ['fc', int(FAR_MS, 8), 'f3 01', u32(1), '00', simple('empty'), simple('without')],
      ],
      [
        plainKey('with', value),
        { ...plainKey('empty', value), expireAt: FAR_MS },
        plainKey('without', value),
      ],
    ),
    relic(
      'a slot import in progress, Valkey',
      'valkey80',
      [
        ['f3', str('0123456789'.repeat(4)), '02', '00 05', len(100), len(16383)],
        ['fe 00', simple('k')],
      ],
      [plainKey('k', value)],
    ),
    relic(
      'script bodies in AUX',
      9,
      ['fa', str('lua'), str('return 1'), 'fe 00', simple('k')],
      [plainKey('k', value)],
    ),
    relic('no keys', 11, [], []),
  ];
}

function versionRelics(): Relic[] {
  const record = [0, str('k'), str('v')];
  const seconds = ['fd', int(2_000_000_000, 4), 0, str('s'), str('w')];
  return Array.from({ length: 15 }, (_, i) => i + 1).map((version) =>
    relic(
      `RDB version ${version}`,
      version,
      ['fe 00', record, 'fe 01', seconds],
      [
        plainKey('k', stringOf('v')),
        { ...plainKey('s', stringOf('w'), 1), expireAt: 2_000_000_000_000 },
      ],
    ),
  );
}

const MODULE_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Nine characters of six bits, then ten bits of encoding version. */
function moduleId(name: string, version: number): Buffer {
  let id = 0n;
  for (const character of name) id = (id << 6n) | BigInt(MODULE_ALPHABET.indexOf(character));
  return len((id << 10n) | BigInt(version));
}

/** A module's data with every opcode: integers, a float, a double, strings, the end. */
function moduleStream(): Buffer {
  return raw(
    ['01', len(0xffff_ffff_ffff_fffen), '02', len(70_000), '03 0000c03f', '04', double(-2.5)],
    ['05', str('text'), '05 c0 07', '05', lzf('q'.repeat(50)), '00'],
  );
}

function moduleRelics(): Relic[] {
  const body = raw(moduleId('tidemark1', 3), moduleStream());
  const value: ValueModel = {
    kind: 'opaque',
    name: 'tidemark1',
    rdbType: 7,
    payload: body.toString('latin1'),
  };
  return [
    one('module value', 8, 7, body, value),
    relic(
      'module value between others',
      9,
      ['fe 00', 0, str('a'), 'c0 01', 7, str('b'), body, 0, str('c'), 'c0 03'],
      [plainKey('a', stringOf('1')), plainKey('b', value), plainKey('c', stringOf('3'))],
    ),
  ];
}

function keydbRelics(): Relic[] {
  const cron = raw(
    [str('return 1'), int(FAR_MS, 8), int(1000, 8)],
    ['02', str('key1'), str('key2'), '01', str('arg')],
  );
  const mvcc = (stamp: string): Part => ['fa', str('mvcc-tstamp'), str(stamp)];
  return [
    one('KeyDB cron job', 9, 64, cron, {
      kind: 'opaque',
      name: null,
      rdbType: 64,
      payload: cron.toString('latin1'),
    }),
    relic(
      'KeyDB time stamps and member expiries',
      9,
      [
        ['fe 00', mvcc('1883093400051712000'), 2, str('s'), '02', str('a'), str('b')],
        ['fa', str('keydb-subexpire-key'), str('a'), 'fa', str('keydb-subexpire-when')],
        [str(String(FAR_MS)), mvcc('1883093400051712001'), 'fc', int(FAR_MS, 8), 0, str('k')],
        'c0 05',
      ],
      [plainKey('s', setOf('a', 'b')), { ...plainKey('k', stringOf('5')), expireAt: FAR_MS }],
    ),
  ];
}

/** Files that no reader may take. */
export function refusedRelics(): RefusedRelic[] {
  const key = (magic: Magic, type: number, body: Part): Buffer =>
    rdbFile(magic, 'fe 00', type, str('k'), body);
  const refused = (
    name: string,
    file: Buffer,
    code: RefusedRelic['code'] = 'RDB_CORRUPT',
  ): RefusedRelic => ({ name, file, code });
  const good = key(9, 0, str('v'));
  const damaged = Buffer.from(good);
  damaged[good.length - 10] = 0x77;
  const badBack = listpack([packText('f'), packText('v')]);
  badBack[8] = 9;
  const odd = str(listpack([packText('f')]));
  return [
    refused('another magic', Buffer.from('RADIS0009\xff', 'latin1')),
    refused('a version of the future', rdbFile(79), 'RDB_UNSUPPORTED'),
    refused('a damaged byte', damaged, 'RDB_CHECKSUM'),
    refused('an end inside a value', good.subarray(0, 14), 'RDB_TRUNCATED'),
    refused('an end before the checksum', good.subarray(0, good.length - 3), 'RDB_TRUNCATED'),
    refused('a score that is no number', key(9, 3, ['01', str('a'), 'fd'])),
    refused('a score that is no number, as text', key(9, 3, ['01', str('a'), 3, '6e616e'])),
    refused('a module of the pre-release', key(9, 6, '00'), 'RDB_UNSUPPORTED'),
    refused('a function of the pre-release', rdbFile(10, 'f6', str('f')), 'RDB_UNSUPPORTED'),
    refused('an opcode of Redis Enterprise', rdbFile(9, '79 00'), 'RDB_UNSUPPORTED'),
    refused('an unused type', key(9, 8, '00'), 'RDB_UNSUPPORTED'),
    refused('a command inside a Valkey file', rdbFile('valkey80', 'f2 00'), 'RDB_UNSUPPORTED'),
    refused('a template that is not there', key(15, 32, ['03', str('x')])),
    refused('a listpack with a wrong backward size', key(10, 16, str(badBack))),
    refused('a listpack longer than its string', key(10, 16, str(raw(u32(99), u16(0), 'ff')))),
    refused('a field without a value', key(10, 16, odd)),
    refused('a ziplist with a size beyond its end', key(9, 10, str(ziplist(['3f 61'])))),
    refused('an intset of an unknown width', key(9, 11, str(raw(u32(3), u32(1), '000000')))),
    refused('an LZF string of another size', key(9, 0, 'c3 03 05 026162')),
    refused('an LZF reference before the beginning', key(9, 0, 'c3 04 0a 0061 e00505')),
    refused('a stream length that does not agree', key(9, 15, ['01', streamNode(), '03 06 00 00'])),
  ];
}
