import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isCoded } from '../../base/index.ts';
import type { ElementReader } from './element-reader.ts';
import { IntsetReader } from './intset.ts';
import { ListpackReader } from './listpack.ts';
import { ZiplistReader } from './ziplist.ts';
import { ZipmapReader } from './zipmap.ts';

type Case = {
  readonly name: string;
  readonly create: () => ElementReader;
  readonly box: Buffer;
  readonly texts: readonly string[];
  /** As the header tells it. */
  readonly count: number;
};

const hex = (text: string): Buffer => Buffer.from(text.replace(/[\s|]/g, ''), 'hex');
const u16 = (value: number): string => Buffer.from([value & 255, value >> 8]).toString('hex');
const u32 = (value: number): string => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes.toString('hex');
};

/** A listpack around entries in hex. */
function listpack(count: number, ...entries: string[]): Buffer {
  const body = hex(entries.join(''));
  return Buffer.concat([hex(u32(body.length + 7) + u16(count)), body, hex('ff')]);
}

function ziplist(count: number, ...entries: string[]): Buffer {
  const body = hex(entries.join(''));
  return Buffer.concat([hex(u32(body.length + 11) + u32(10) + u16(count)), body, hex('ff')]);
}

const long = (size: number): string => '61'.repeat(size);

const CASES: readonly Case[] = [
  {
    name: 'listpack of small texts and integers',
    create: () => new ListpackReader(),
    box: hex(
      '2a000000 0a00 816302 842d696e6605 816102 0101 816202 83322e3504 816502 0301 816402 83696e6604 ff',
    ),
    texts: ['c', '-inf', 'a', '1', 'b', '2.5', 'e', '3', 'd', 'inf'],
    count: 10,
  },
  {
    name: 'listpack of every integer width and its limits',
    create: () => new ListpackReader(),
    box: listpack(
      17,
      '00 01 | 7f 01 | dfff 02 | c12c 02 | d000 02 | cfff 02 | f10080 03 | f1ff7f 03',
      'f2000080 04 | f2ffff7f 04 | f300000080 05 | f3ffffff7f 05 | f3ffffffff 05',
      'f40000000000000080 09 | f4ffffffffffffff7f 09 | f4ffffffffffffffff 09 | f400d8c32cbb030000 09',
    ),
    texts: [
      '0',
      '127',
      '-1',
      '300',
      '-4096',
      '4095',
      '-32768',
      '32767',
      '-8388608',
      '8388607',
      '-2147483648',
      '2147483647',
      '-1',
      '-9223372036854775808',
      '9223372036854775807',
      '-1',
      '4102444800000',
    ],
    count: 17,
  },
  {
    name: 'listpack of texts in each length form, with backward sizes of one to three bytes',
    create: () => new ListpackReader(),
    box: listpack(
      0xffff,
      `80 01 | bf${long(63)} 40 | e0c8${long(200)} 01ca | efff${long(4095)} 2081`,
      `f0${u32(20000)}${long(20000)} 019ca5 | f0${u32(3)}${long(3)} 08`,
    ),
    texts: ['', 'a'.repeat(63), 'a'.repeat(200), 'a'.repeat(4095), 'a'.repeat(20000), 'aaa'],
    count: -1,
  },
  {
    name: 'empty listpack',
    create: () => new ListpackReader(),
    box: listpack(0),
    texts: [],
    count: 0,
  },
  {
    name: 'ziplist of a hash',
    create: () => new ZiplistReader(),
    box: hex('16000000 13000000 0400 | 00 01 66 | 03 01 76 | 03 01 6e | 03 fd | ff'),
    texts: ['f', 'v', 'n', '12'],
    count: 4,
  },
  {
    name: 'ziplist of every form, with a long form of a small previous size',
    create: () => new ZiplistReader(),
    box: ziplist(
      0xffff,
      `00 c0 2c01 | 04 d0 00000080 | 06 e0 00000000000000 80 | 0a f0 000080 | 05 fe ff | 03 f1`,
      `02 00 | 02 3f${long(63)} | 41 4040${long(64)} | 43 80 00004e20${long(20000)}`,
      `fe 254e0000 fe 80 | fe 07000000 01 62`,
    ),
    texts: [
      '300',
      '-2147483648',
      '-9223372036854775808',
      '-8388608',
      '-1',
      '0',
      '',
      'a'.repeat(63),
      'a'.repeat(64),
      'a'.repeat(2e4),
      '-128',
      'b',
    ],
    count: -1,
  },
  {
    name: 'intset of 16 bits',
    create: () => new IntsetReader(),
    box: hex('02000000 03000000 0080 ffff ff7f'),
    texts: ['-32768', '-1', '32767'],
    count: 3,
  },
  {
    name: 'intset of 32 bits',
    create: () => new IntsetReader(),
    box: hex('04000000 04000000 fbffffff 01000000 02000000 e0930400'),
    texts: ['-5', '1', '2', '300000'],
    count: 4,
  },
  {
    name: 'intset of 64 bits',
    create: () => new IntsetReader(),
    box: hex('08000000 02000000 0000000000000080 ffffffffffffff7f'),
    texts: ['-9223372036854775808', '9223372036854775807'],
    count: 2,
  },
  {
    name: 'zipmap with unused bytes and a long length',
    create: () => new ZipmapReader(),
    box: hex(`02 | 01 66 | 01 02 76 0000 | fe2c010000 ${long(300)} | 00 00 | ff`),
    texts: ['f', 'v', 'a'.repeat(300), ''],
    count: 2,
  },
];

function textsOf(reader: ElementReader, box: Uint8Array, start: number, end: number): string[] {
  const texts: string[] = [];
  reader.open(box, start, end, 1000);
  while (reader.next()) {
    texts.push(Buffer.from(reader.bytes.subarray(reader.start, reader.end)).toString('latin1'));
  }
  return texts;
}

for (const { name, create, box, texts, count } of CASES) {
  describe(name, () => {
    test('is read, also in the middle of other bytes', () => {
      const reader = create();
      assert.deepEqual(textsOf(reader, box, 0, box.length), texts);
      assert.equal(reader.count, count);
      const inside = Buffer.concat([Buffer.alloc(9, 0xee), box, Buffer.alloc(9, 0xee)]);
      assert.deepEqual(textsOf(reader, inside, 9, 9 + box.length), texts);
    });

    test('is RDB_CORRUPT with its offset wherever it is cut, and with a byte too many', () => {
      const step = box.length > 1000 ? 97 : 1;
      const sizes = [box.length - 1, box.length + 1];
      for (let size = 0; size < box.length; size += step) sizes.push(size);
      for (const size of sizes) {
        const padded = Buffer.concat([box, hex('ff')]);
        assert.throws(
          () => textsOf(create(), padded, 0, size),
          (error) => isCoded(error, 'RDB_CORRUPT') && error.offset === 1000,
          `cut to ${size} bytes`,
        );
      }
    });

    test('ends in texts or RDB_CORRUPT when any byte lies, and never reads outside', () => {
      const step = box.length > 1000 ? 97 : 1;
      for (let at = 0; at < box.length; at += step) {
        for (const value of [0, 1, 0x3f, 0x7f, 0x80, 0xc0, 0xe0, 0xf0, 0xf4, 0xfe, 0xff]) {
          const lie = Buffer.concat([box, Buffer.from('outside')]);
          lie[at] = value;
          try {
            const found = textsOf(create(), lie, 0, box.length);
            assert.ok(!found.some((text) => text.includes('outside')));
          } catch (error) {
            assert.ok(isCoded(error, 'RDB_CORRUPT'), `byte ${at} = ${value}: ${String(error)}`);
          }
        }
      }
    });
  });
}

describe('ListpackReader', () => {
  const refuses = (what: string, box: Buffer): void => {
    assert.throws(
      () => textsOf(new ListpackReader(), box, 0, box.length),
      (error) => isCoded(error, 'RDB_CORRUPT'),
      what,
    );
  };

  test('refuses counts, sizes and backward sizes that lie', () => {
    refuses('a count too large', listpack(3, '8161 02', '8162 02'));
    refuses('a count too small', listpack(1, '8161 02', '8162 02'));
    refuses('a total size too large', Buffer.concat([hex(`${u32(12)}0100`), hex('816102ff')]));
    refuses('a wrong backward size', listpack(1, '8161 03'));
    refuses('a backward size without its bit', listpack(1, `e0c8${long(200)} 014a`));
    refuses('a text beyond the end', listpack(1, '8561 02'));
    refuses('a 4 GiB text', listpack(1, 'f0ffffffff 61 02'));
    refuses('an unused form', listpack(1, 'f5 00000000 05'));
    refuses('an early end', listpack(2, '8161 02 ff 8161 02'));
  });

  test('gives scores and integers as numbers', () => {
    const reader = new ListpackReader();
    const box = listpack(4, '83322e35 04', 'dfff 02', '84 2d696e66 05', '83 6e616e 04');
    reader.open(box, 0, box.length, 0);
    const numbers: number[] = [];
    for (let i = 0; i < 3; i++) {
      reader.next();
      numbers.push(reader.number());
    }
    assert.deepEqual(numbers, [2.5, -1, Number.NEGATIVE_INFINITY]);
    assert.throws(
      () => reader.integer(),
      (error) => isCoded(error, 'RDB_CORRUPT'),
    );
    reader.next();
    assert.throws(
      () => reader.number(),
      (error) => isCoded(error, 'RDB_CORRUPT'),
    );
  });

  test('gives the words of an integer in two’s complement', () => {
    const reader = new ListpackReader();
    const box = listpack(3, 'dfff 02', 'f4feffffffffffff7f 09', '8161 02');
    reader.open(box, 0, box.length, 0);
    reader.next();
    assert.deepEqual([reader.highWord, reader.lowWord], [0xffffffff, 0xffffffff]);
    reader.next();
    assert.deepEqual([reader.highWord, reader.lowWord], [0x7fffffff, 0xfffffffe]);
    reader.next();
    assert.throws(
      () => reader.highWord,
      (error) => isCoded(error, 'RDB_CORRUPT'),
    );
  });
});

test('IntsetReader refuses an unknown width and a size that does not fit', () => {
  for (const text of ['03000000 00000000', '02000000 02000000 0100', '08000000 00000020 00']) {
    const box = hex(text);
    assert.throws(
      () => textsOf(new IntsetReader(), box, 0, box.length),
      (error) => isCoded(error, 'RDB_CORRUPT'),
    );
  }
});

test('ZiplistReader refuses counts and sizes that lie', () => {
  for (const box of [
    ziplist(2, '00 01 61'),
    ziplist(1, '00 01 61', '03 01 62'),
    ziplist(1, '00 05 61'),
    ziplist(1, '00 80 ffffffff 61'),
    ziplist(1, '00 c1 0000'),
  ]) {
    assert.throws(
      () => textsOf(new ZiplistReader(), box, 0, box.length),
      (error) => isCoded(error, 'RDB_CORRUPT'),
    );
  }
});
