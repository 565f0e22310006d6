import { deflateSync } from 'node:zlib';

/** A dump that lies about a length or a count, by hand and within the first hundred bytes. */
export type LyingRdb = {
  readonly name: string;
  readonly file: Buffer;
  /** It is odd, but nothing in it is wrong. */
  readonly isFine?: boolean;
};

const HEAD = Buffer.from('REDIS0011');
/** Opcode of the end, and a checksum that is switched off. */
const TAIL = Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
const SELECT_0 = Buffer.from([0xfe, 0]);

const TYPE = {
  string: 0,
  list: 1,
  set: 2,
  zset: 3,
  hash: 4,
  zset2: 5,
  module: 7,
  zipmap: 9,
  ziplist: 10,
  intset: 11,
  hashZiplist: 13,
  quicklist: 14,
  hashListpack: 16,
  zsetListpack: 17,
  quicklist2: 18,
  setListpack: 20,
  stream: 21,
} as const;
const AUX = 0xfa;
const RESIZE = 0xfb;
const FUNCTION = 0xf5;
const MODULE_AUX = 0xf7;
const LZF = 0xc3;

const HUGE = [2n ** 32n, 2n ** 60n, 2n ** 63n, 2n ** 64n - 1n] as const;

/** A length in its longest form. */
function length(value: bigint | number): Buffer {
  const bytes = Buffer.alloc(9, 0x81);
  bytes.writeBigUInt64BE(BigInt(value), 1);
  return bytes;
}

function text(bytes: Buffer | string): Buffer {
  const content = Buffer.from(bytes);
  return Buffer.concat([length(content.length), content]);
}

function dump(...parts: (Buffer | readonly number[])[]): Buffer {
  return Buffer.concat([HEAD, ...parts.map((part) => Buffer.from(part)), TAIL]);
}

/** One key `k` of a type, whose value is `parts`. */
function keyed(type: number, ...parts: Buffer[]): Buffer {
  return dump(SELECT_0, [type], text('k'), ...parts);
}

function header32(bytes: number, count: number, ...rest: number[]): Buffer {
  const header = Buffer.alloc(6);
  header.writeUInt32LE(bytes, 0);
  header.writeUInt16LE(count, 4);
  return Buffer.concat([header, Buffer.from(rest)]);
}

function intset(width: number, count: number): Buffer {
  const bytes = Buffer.alloc(8 + 8);
  bytes.writeUInt32LE(width, 0);
  bytes.writeUInt32LE(count, 4);
  return bytes;
}

function ziplist(bytes: number, tail: number, count: number): Buffer {
  const list = Buffer.alloc(11, 0xff);
  list.writeUInt32LE(bytes, 0);
  list.writeUInt32LE(tail, 4);
  list.writeUInt16LE(count, 8);
  return list;
}

/** A compressed text: what it says it holds, and the bytes. */
function lzf(compressed: Buffer, claimed: bigint | number): Buffer {
  return Buffer.concat([
    Buffer.from([LZF]),
    length(compressed.length),
    length(claimed),
    compressed,
  ]);
}

/** LZF of one letter again and again: 264 bytes for every three. */
function lzfBomb(references: number): { compressed: Buffer; size: number } {
  const compressed = Buffer.alloc(2 + references * 3);
  compressed[1] = 0x61;
  for (let i = 0; i < references; i++) {
    // A reference of the longest length, to the byte before.
    compressed.set([0xe0, 0xff, 0x00], 2 + i * 3);
  }
  return { compressed, size: 1 + references * 264 };
}

const COUNTED = [
  'list',
  'set',
  'zset',
  'hash',
  'zset2',
  'quicklist',
  'quicklist2',
  'stream',
] as const;
const LISTPACKED = ['hashListpack', 'zsetListpack', 'setListpack'] as const;

function listpackLies(): LyingRdb[] {
  return LISTPACKED.flatMap((name) => [
    {
      name: `${name}, listpack of 4 GiB`,
      file: keyed(TYPE[name], text(header32(2 ** 32 - 1, 2, 0xff))),
    },
    {
      name: `${name}, element of 4 GiB`,
      file: keyed(TYPE[name], text(header32(13, 2, 0xf0, 0xff, 0xff, 0xff, 0xff, 0x05, 0xff))),
    },
    { name: `${name}, 65534 elements`, file: keyed(TYPE[name], text(header32(7, 65534, 0xff))) },
  ]);
}

/** All of them. Each must end in a coded error, soon and without much memory. */
export function lyingRdbs(): LyingRdb[] {
  const { compressed, size } = lzfBomb(1000);
  return [
    ...HUGE.flatMap((huge) => [
      { name: `key of ${huge} bytes`, file: dump(SELECT_0, [TYPE.string], length(huge)) },
      { name: `string of ${huge} bytes`, file: keyed(TYPE.string, length(huge)) },
      { name: `AUX of ${huge} bytes`, file: dump([AUX], length(huge)) },
      { name: `function of ${huge} bytes`, file: dump([FUNCTION], length(huge)) },
      { name: `LZF that claims ${huge} bytes`, file: keyed(TYPE.string, lzf(compressed, huge)) },
      {
        name: `LZF of ${huge} compressed bytes`,
        file: keyed(TYPE.string, Buffer.from([LZF]), length(huge), length(10)),
      },
    ]),
    ...COUNTED.flatMap((name) =>
      [100_000_000n, 2n ** 60n].map((count) => ({
        name: `${name} of ${count} elements`,
        file: keyed(TYPE[name], length(count)),
      })),
    ),
    ...listpackLies(),
    {
      name: 'quicklist2, plain node of 2^60',
      file: keyed(TYPE.quicklist2, length(1), length(1), length(2n ** 60n)),
    },
    { name: 'intset of 2^30 numbers', file: keyed(TYPE.intset, text(intset(8, 2 ** 30))) },
    { name: 'intset of width 3', file: keyed(TYPE.intset, text(intset(3, 1))) },
    { name: 'ziplist of 4 GiB', file: keyed(TYPE.ziplist, text(ziplist(2 ** 32 - 1, 10, 0))) },
    { name: 'ziplist of 65534', file: keyed(TYPE.ziplist, text(ziplist(11, 10, 65534))) },
    { name: 'hash, ziplist of 1', file: keyed(TYPE.hashZiplist, text(ziplist(11, 10, 1))) },
    {
      name: 'zipmap, length of 4 GiB',
      file: keyed(TYPE.zipmap, text(Buffer.from([1, 254, 255, 255, 255, 255, 255]))),
    },
    {
      name: 'LZF that holds more than it claims',
      file: keyed(TYPE.string, lzf(compressed, size - 1)),
    },
    {
      name: 'LZF that holds less than it claims',
      file: keyed(TYPE.string, lzf(compressed, size + 1)),
    },
    {
      name: 'LZF that refers before its beginning',
      file: keyed(TYPE.string, lzf(Buffer.from([0x20, 0x05]), 3)),
    },
    { name: 'LZF of deflated bytes', file: keyed(TYPE.string, lzf(deflateSync('deflated'), 8)) },
    {
      name: 'module AUX of 2^60 bytes',
      file: dump([MODULE_AUX], length(1), length(2), length(2), length(5), length(2n ** 60n)),
    },
    {
      name: 'module value without an end',
      file: keyed(TYPE.module, length(2n ** 60n), length(5), length(2n ** 60n)),
    },
    {
      name: 'a hint of 2^52 keys',
      file: dump(SELECT_0, [RESIZE], length(2n ** 52n), length(2n ** 52n)),
      isFine: true,
    },
    { name: 'a whole LZF text', file: keyed(TYPE.string, lzf(compressed, size)), isFine: true },
  ];
}

/** A small dump of one string of so many bytes, by references of 264. */
export function compressedBomb(bytes: number): Buffer {
  const { compressed, size } = lzfBomb(Math.ceil(bytes / 264));
  return keyed(TYPE.string, lzf(compressed, size));
}
