import { closeSync, openSync, writeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { RespPipe } from '../test/support/resp-pipe.ts';
import { SeededRandom } from '../test/support/seeded-random.ts';
import { RespWriter } from './resp-writer.ts';

/**
 * The data sets of the benchmarks, by seed: straight into a server, or as a file for
 * `redis-cli --pipe`. `node bench/shapes.ts S --scale 0.1 --to redis://127.0.0.1:6379` (or a path).
 */
export const SHAPES = {
  S: { keys: 5_000_000, what: 'strings of 32 random characters under numbered keys of 16' },
  M: { keys: 300_000, what: 'hashes, lists, sets, sorted sets, streams of 10 to 100 elements' },
  L: {
    keys: 5500,
    what: 'strings of 10 to 100 KiB: half JSON, quarter binary, quarter random text',
  },
  X: { keys: 2_600_000, what: 'a mixture: nine tenths strings, all types and sizes, expiries' },
} as const;

export type ShapeName = keyof typeof SHAPES;

export type ShapeOptions = {
  /** Factor on the number of keys, default 1. */
  readonly scale?: number;
  readonly seed?: number;
};

export type Filled = {
  readonly keys: number;
  readonly commands: number;
  /** Bytes of RESP. */
  readonly bytes: number;
  readonly ms: number;
};

type KeyGenerator = (writer: RespWriter, random: SeededRandom, index: number) => void;

const FAR_FUTURE_MS = 4_102_444_800_000;

/** Number of keys that a shape has at this scale. */
export function shapeKeys(shape: ShapeName, scale = 1): number {
  return Math.max(1, Math.round(SHAPES[shape].keys * scale));
}

/** Chunks of about 1 MiB of whole commands; each is valid until the next is asked for. */
export function* generateShape(
  shape: ShapeName,
  options: ShapeOptions = {},
): Generator<{ readonly bytes: Buffer; readonly commands: number }> {
  const random = new SeededRandom(options.seed ?? 1);
  const writer = new RespWriter(random);
  const generate = GENERATORS[shape];
  const keys = shapeKeys(shape, options.scale);
  for (let i = 0; i < keys; i++) {
    generate(writer, random, i);
    if (writer.isFull) yield writer.take();
  }
  yield writer.take();
}

/** Adds a shape to what the server holds. */
export async function fillShape(
  url: string,
  shape: ShapeName,
  options: ShapeOptions = {},
): Promise<Filled> {
  const pipe = await RespPipe.open(url);
  const start = performance.now();
  let bytes = 0;
  let commands = 0;
  try {
    for (const chunk of generateShape(shape, options)) {
      pipe.pipeRaw(chunk.bytes, chunk.commands);
      bytes += chunk.bytes.length;
      commands += chunk.commands;
      await pipe.room();
    }
    await pipe.done();
  } finally {
    pipe.close();
  }
  const keys = shapeKeys(shape, options.scale);
  return { keys, commands, bytes, ms: performance.now() - start };
}

/** Writes a shape as the input of `redis-cli --pipe`. An existing file is replaced. */
export function writeShapeFile(path: string, shape: ShapeName, options: ShapeOptions = {}): Filled {
  const start = performance.now();
  const file = openSync(path, 'w');
  let bytes = 0;
  let commands = 0;
  try {
    for (const chunk of generateShape(shape, options)) {
      for (let at = 0; at < chunk.bytes.length; ) at += writeSync(file, chunk.bytes, at);
      bytes += chunk.bytes.length;
      commands += chunk.commands;
    }
  } finally {
    closeSync(file);
  }
  const keys = shapeKeys(shape, options.scale);
  return { keys, commands, bytes, ms: performance.now() - start };
}

const COLLECTIONS = ['hash', 'list', 'set', 'zset', 'stream'] as const;

const GENERATORS: Record<ShapeName, KeyGenerator> = {
  S: (writer, _, index) => {
    writer.begin('SET', 3);
    writer.text(`key:${String(index).padStart(12, '0')}`);
    writer.word(32);
  },
  M: (writer, random, index) => {
    writeCollection(writer, random, '', index, random.between(10, 100));
  },
  L: (writer, random, index) => {
    const size = random.between(10 << 10, 100 << 10);
    writer.begin('SET', 3);
    writer.text(`document:${index}`);
    if (index % 2 === 0) writer.text(jsonText(random, size));
    else if (index % 4 === 1) writer.bytes(random.bytes(size));
    else writer.word(size);
  },
  X: (writer, random, index) => {
    const kind = random.below(1000);
    if (kind >= 900) {
      const size = kind >= 990 ? random.between(10, 300) : random.between(1, 12);
      writeCollection(writer, random, 'mixed:', index, size);
    } else if (kind < 200) {
      writer.begin('SET', 5);
      writer.text(`session:${index}`);
      writer.word(random.between(20, 60));
      writer.text('PX');
      writer.text(String(1_000_000_000_000 + random.below(1e9)));
    } else if (kind < 300) {
      writer.begin('SET', 3);
      writer.text(`count:${index}`);
      writer.text(String(random.below(1e9)));
    } else {
      writer.begin('SET', 3);
      writer.key16(index);
      writer.word(kind === 899 ? random.between(1000, 8000) : random.between(8, 120));
    }
  },
};

/** One collection of `size` elements, in one command, except for streams. */
function writeCollection(
  writer: RespWriter,
  random: SeededRandom,
  prefix: string,
  index: number,
  size: number,
): void {
  const type = COLLECTIONS[index % COLLECTIONS.length];
  const key = `${prefix}${type}:${index}`;
  switch (type) {
    case 'hash':
      writer.begin('HSET', 2 + size * 2);
      writer.text(key);
      for (let i = 0; i < size; i++) {
        writer.text(`field:${i}`);
        writer.word(10);
      }
      break;
    case 'list':
      writer.begin('RPUSH', 2 + size);
      writer.text(key);
      for (let i = 0; i < size; i++) writer.word(12, 'item:');
      break;
    case 'set':
      writer.begin('SADD', 2 + size);
      writer.text(key);
      for (let i = 0; i < size; i++) writer.word(8, `${i}:`);
      break;
    case 'zset':
      writer.begin('ZADD', 2 + size * 2);
      writer.text(key);
      for (let i = 0; i < size; i++) {
        writer.text(String(random.below(1_000_000) / (i % 2 === 0 ? 1 : 128)));
        writer.word(8, `${i}:`);
      }
      break;
    default:
      for (let i = 0; i < size; i++) {
        writer.begin('XADD', 7);
        writer.text(key);
        writer.text(`${1_700_000_000_000 + i * 37}-${i % 3}`);
        writer.text('temperature');
        writer.text(String(random.below(400) / 10));
        writer.text('sensor');
        writer.word(8);
      }
  }
  if (index % 10 !== 0) return;
  writer.begin('PEXPIREAT', 3);
  writer.text(key);
  writer.text(String(FAR_FUTURE_MS + random.below(1e9)));
}

/** Something like an API's answer, cut at `size` bytes. */
function jsonText(random: SeededRandom, size: number): string {
  const records: string[] = [];
  let length = 0;
  while (length < size) {
    const record =
      `{"id":${random.below(1e9)},"name":"${random.word(9)}","email":"${random.word(7)}@example.org",` +
      `"active":${random.chance(0.5)},"tags":["${random.word(4)}","${random.word(5)}"],` +
      `"note":"line one\\nline \\"two\\"","score":${random.below(10_000) / 100}}`;
    records.push(record);
    length += record.length + 1;
  }
  return `[${records.join(',')}`.slice(0, size);
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      scale: { type: 'string', default: '1' },
      seed: { type: 'string', default: '1' },
      to: { type: 'string', default: 'redis://127.0.0.1:6379' },
    },
  });
  const shape = positionals[0];
  if (shape === undefined || !Object.hasOwn(SHAPES, shape)) {
    throw new Error(`Say which shape: ${Object.keys(SHAPES).join(', ')}`);
  }
  const options = { scale: Number(values.scale), seed: Number(values.seed) };
  const filled = values.to.includes('://')
    ? await fillShape(values.to, shape as ShapeName, options)
    : writeShapeFile(values.to, shape as ShapeName, options);
  const rate = Math.round(filled.commands / (filled.ms / 1000));
  console.log(
    `${filled.keys} keys, ${filled.commands} commands, ${filled.bytes} bytes ` +
      `in ${Math.round(filled.ms)} ms: ${rate} commands/s`,
  );
}

if (import.meta.main) await main();
