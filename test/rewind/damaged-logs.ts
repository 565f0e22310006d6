import { createHash } from 'node:crypto';
import type { MemoryStorage } from '../fakes/memory-storage.ts';
import type { SeededRandom } from '../support/seeded-random.ts';

/** What somebody or something did to the stored log; a sentence for the message of a failure. */
export type LogDamage = (storage: MemoryStorage, random: SeededRandom) => string;

const TRAILER_BYTES = 40;
const SEGMENT = /\/log\/.*\.aof\.zst$/;

export function segmentNames(storage: MemoryStorage): string[] {
  return [...storage.objects.keys()].filter((name) => SEGMENT.test(name)).sort();
}

function change(storage: MemoryStorage, name: string, bytes: Buffer): void {
  storage.objects.set(name, { bytes, modifiedAtMs: 0 });
}

function bytesOf(storage: MemoryStorage, name: string): Buffer {
  return Buffer.from(storage.objects.get(name)?.bytes ?? []);
}

/** A segment moved to another place of the same lineage, as its name says. */
function renamed(name: string, startOffset: number): string {
  return name.replace(/\d{20}_/, `${String(startOffset).padStart(20, '0')}_`);
}

type StoredDirectory = {
  startOffset: number;
  endOffset: number;
  firstMs: number;
  lastMs: number;
  database: number;
  rawDigest: string;
  uncertain: unknown[];
  blocks: { startOffset: number; endOffset: number; database: number; rawLength: number }[];
};

/** By somebody who knows the format and makes all digests right; not with the code on trial. */
function redirected(bytes: Buffer, alter: (directory: StoredDirectory) => void): Buffer {
  const trailer = bytes.subarray(bytes.length - TRAILER_BYTES);
  const offset = Number(trailer.readBigUInt64LE(16));
  const length = trailer.readUInt32LE(24);
  const frame = bytes.subarray(offset, offset + length);
  const directory = JSON.parse(frame.toString('utf8', 12)) as StoredDirectory;
  alter(directory);
  const text = Buffer.from(`${JSON.stringify(directory)}\n`);
  const head = Buffer.from(frame.subarray(0, 12));
  head.writeUInt32LE(4 + text.length, 4);
  const made = Buffer.concat([head, text]);
  const end = Buffer.from(trailer);
  end.writeUInt32LE(made.length, 24);
  createHash('sha256').update(made).update(end.subarray(8, 32)).digest().copy(end, 32, 0, 8);
  return Buffer.concat([bytes.subarray(0, offset), made, end]);
}

const flip: LogDamage = (storage, random) => {
  const name = random.pick(segmentNames(storage));
  const bytes = bytesOf(storage, name);
  const at = random.below(bytes.length);
  bytes[at] ^= 1 << random.below(8);
  change(storage, name, bytes);
  return `a bit of ${name} flipped at ${at} of ${bytes.length}`;
};

const cut: LogDamage = (storage, random) => {
  const name = random.pick(segmentNames(storage));
  const bytes = bytesOf(storage, name);
  const size = random.below(bytes.length);
  change(storage, name, bytes.subarray(0, size));
  return `${name} cut to ${size} of ${bytes.length} bytes`;
};

const remove: LogDamage = (storage, random) => {
  const name = random.pick(segmentNames(storage));
  storage.objects.delete(name);
  return `${name} removed`;
};

const duplicate: LogDamage = (storage, random) => {
  const name = random.pick(segmentNames(storage));
  const bytes = bytesOf(storage, name);
  const startOffset = Number(/(\d{20})_/.exec(name)?.[1]) + random.between(-2000, 2000);
  const copy = renamed(name, Math.max(0, startOffset));
  if (copy !== name) change(storage, copy, bytes);
  return `${name} copied to ${copy}`;
};

const swap: LogDamage = (storage, random) => {
  const names = segmentNames(storage);
  const [a, b] = [random.pick(names), random.pick(names)];
  const [first, second] = [bytesOf(storage, a), bytesOf(storage, b)];
  change(storage, a, second);
  change(storage, b, first);
  return `${a} and ${b} exchanged`;
};

const lineage: LogDamage = (storage, random) => {
  const name = [...storage.objects.keys()].find((key) => key.endsWith('/lineage.json')) ?? '';
  const bytes = bytesOf(storage, name);
  const at = random.below(bytes.length);
  bytes[at] ^= 1 << random.below(8);
  change(storage, name, bytes);
  return `a bit of ${name} flipped at ${at}`;
};

const strangers: LogDamage = (storage, random) => {
  const name = random.pick(segmentNames(storage));
  const folder = name.slice(0, name.lastIndexOf('/') + 1);
  const bytes = bytesOf(storage, name);
  change(storage, `${folder}${'0'.repeat(20)}_${'9'.repeat(20)}.aof.zst`, bytes);
  change(storage, `${folder}not-a-segment`, Buffer.from('?'));
  change(storage, `${folder}index.json`, random.bytes(60));
  return `strangers in ${folder}`;
};

const ALTERATIONS: readonly ((d: StoredDirectory, random: SeededRandom) => string)[] = [
  (d, random) => `ends at ${(d.endOffset += random.between(1, 900))}`,
  (d, random) => `begins at ${(d.startOffset -= random.between(1, d.startOffset))}`,
  (d) => `last arrival ${(d.lastMs += 60_000)}`,
  (d) => `first arrival ${(d.firstMs -= 60_000)}`,
  (d) => `database ${(d.database = 9)}`,
  (d, random) => {
    const block = random.pick(d.blocks);
    return `a block in database ${(block.database = 11)}`;
  },
  (d, random) => {
    const block = random.pick(d.blocks);
    return `a block that ends at ${(block.endOffset -= 1)}`;
  },
  (d, random) => {
    const block = random.pick(d.blocks);
    return `a block of ${(block.rawLength += 1)} bytes`;
  },
  (d) => `raw digest ${(d.rawDigest = d.rawDigest.replace(/.$/, (c) => (c === '0' ? '1' : '0')))}`,
];

const direct: LogDamage = (storage, random) => {
  // Of the last one nothing that follows says what it was.
  const name = random.pick(segmentNames(storage).slice(0, -1));
  let what = '';
  const made = redirected(bytesOf(storage, name), (directory) => {
    what = random.pick(ALTERATIONS)(directory, random);
  });
  change(storage, name, made);
  return `${name} redirected: ${what}`;
};

export const LOG_DAMAGES: Readonly<Record<string, LogDamage>> = {
  flip,
  cut,
  remove,
  duplicate,
  swap,
  lineage,
  strangers,
  direct,
};
