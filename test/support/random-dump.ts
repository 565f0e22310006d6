import { CodedError } from '../../src/base/index.ts';
import { JsonLineReader, ValueDigester } from '../../src/entries/index.ts';
import { NONE, RdbStreamWriter, type TargetFormat } from '../../src/rdb/index.ts';
import { randomLine } from './random-lines.ts';
import { len, lzf, raw, str } from './relic-builder.ts';
import type { SeededRandom } from './seeded-random.ts';

/** A dump of random entries of all types in the encodings that a server of this format uses. */
export function randomDump(random: SeededRandom, format: TargetFormat, entries: number): Buffer {
  const chunks: Buffer[] = [];
  const writer = new RdbStreamWriter(format, (chunk) => chunks.push(chunk));
  const reader = new JsonLineReader();
  writer.selectDb(3);
  writer.resizeDb(entries, 0);
  for (let i = 0; i < entries; i++) {
    const line = Buffer.from(randomLine(random));
    if (!isValid(reader, line)) continue;
    reader.open(line, 0, line.length);
    reader.next();
    const { key, keyStart, keyEnd, expireAtMs, idleSeconds, frequency } = reader.header;
    writer.entry(key, keyStart, keyEnd, {
      ...(expireAtMs !== NONE && { expireAtMs }),
      ...(idleSeconds !== NONE && { idleSeconds }),
      ...(frequency !== NONE && { frequency }),
    });
    reader.readValue(writer);
  }
  writer.finish();
  return Buffer.concat(chunks);
}

/** Some random lines are wrong on purpose. */
function isValid(reader: JsonLineReader, line: Buffer): boolean {
  try {
    reader.open(line, 0, line.length);
    reader.next();
    reader.readValue(new ValueDigester());
    return true;
  } catch (error) {
    if (error instanceof CodedError) return false;
    throw error;
  }
}

/** A dump of these records, without a checksum. */
export function dumpOf(magic: string, ...records: readonly Uint8Array[]): Buffer {
  return Buffer.concat([Buffer.from(magic), ...records, Buffer.from([255]), Buffer.alloc(8)]);
}

/** A dump of strings in every form that they have in a dump, alone and in plain collections. */
export function randomStringForms(random: SeededRandom, entries: number): Buffer {
  const records: Uint8Array[] = [];
  for (let i = 0; i < entries; i++) {
    const type = random.pick([0, 0, 1, 2, 3, 4, 5]);
    records.push(raw([...before(random), type], anyString(random), value(random, type)));
  }
  return dumpOf(random.pick(['REDIS0006', 'REDIS0010', 'VALKEY080']), ...records);
}

/** Opcodes in front of a key. */
function before(random: SeededRandom): (number | Uint8Array)[] {
  const time = Buffer.alloc(8);
  time.writeBigInt64LE(random.pick([-1n, 0n, -5n, 1_600_000_000_000n, 2n ** 60n, -(2n ** 62n)]));
  switch (random.below(12)) {
    case 0:
      return [252, time];
    case 1:
      return [253, time.subarray(0, 4)];
    case 2:
      return [248, len(random.pick([0, 63, 64, 16_383, 16_384, 1e9, 2 ** 31, 2 ** 40]))];
    case 3:
      return [249, random.below(256), 252, time];
    case 4:
      return [254, len(random.below(3)), 251, len(5), len(2)];
    default:
      return [];
  }
}

function value(random: SeededRandom, type: number): Uint8Array {
  if (type === 0) return anyString(random);
  const count = random.below(6);
  const parts: Uint8Array[] = [len(count)];
  for (let i = 0; i < count; i++) {
    parts.push(anyString(random));
    if (type === 4) parts.push(anyString(random));
    else if (type === 5) parts.push(scoreBytes(random));
    else if (type === 3) parts.push(textScore(random));
  }
  return raw(...parts);
}

function scoreBytes(random: SeededRandom): Buffer {
  const bytes = random.bytes(8);
  if (random.chance(0.5)) bytes.writeDoubleLE(random.between(-1e6, 1e6) / random.pick([1, 8, 100]));
  // Not a number is for the mutated dumps.
  if (Number.isNaN(bytes.readDoubleLE())) bytes.writeDoubleLE(-0);
  return bytes;
}

function textScore(random: SeededRandom): Buffer {
  if (random.chance(0.1)) return Buffer.from([random.pick([254, 255])]);
  const number = scoreBytes(random).readDoubleLE();
  const text = random.pick([
    String(number),
    number.toPrecision(17),
    number.toExponential(),
    `${random.below(100)}.`,
    'inf',
    '-inf',
    '-0',
    '00012.50',
    '1e400',
    '4.9406564584124654e-324',
    `${random.uint32()}${random.uint32()}${random.uint32()}e-${random.below(40)}`,
  ]);
  return Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);
}

function anyString(random: SeededRandom): Uint8Array {
  const kind = random.below(10);
  if (kind === 0) return raw(0xc0, random.bytes(1));
  if (kind === 1) return raw(0xc1, random.bytes(2));
  if (kind === 2) return raw(0xc2, random.bytes(4));
  if (kind < 5) return lzf(random.word(random.between(1, 40)).repeat(random.between(2, 60)));
  return str(random.pick(TEXTS)(random));
}

const TEXTS: readonly ((random: SeededRandom) => Buffer)[] = [
  (random) => Buffer.from(random.word(random.below(40))),
  (random) => Buffer.from(random.word(random.between(60, 20_000))),
  (random) => random.bytes(random.below(50)),
  (random) =>
    Buffer.from(`${random.pick(['text:', 'base64:', 'base64', 'text'])}${random.word(3)}`),
  // Any text with escapes and characters of all lengths, now and then broken.
  (random) => {
    const parts = ['"', '\\', '\n', '\u0001', '\u007f', 'é', '日', '😀', 'abcdefghijklmnop', ' '];
    const text = Array.from({ length: random.below(60) }, () => random.pick(parts)).join('');
    const bytes = Buffer.from(text);
    if (random.chance(0.2) && bytes.length > 0)
      bytes[random.below(bytes.length)] = random.below(256);
    return bytes;
  },
];
