import type { SeededRandom } from './seeded-random.ts';

/**
 * Damages bytes in seeded, repeatable ways, as networks, disks and attackers do: for fuzz tests of
 * decoders, which may answer with a value or a coded error and nothing else.
 */
export type Mutation = {
  /** A new buffer; the input is untouched. */
  readonly bytes: Buffer;
  /** What was done, for the message of a failing test. */
  readonly what: string;
};

type Mutator = (bytes: Buffer, random: SeededRandom) => Mutation;

const NASTY_BYTES = [0x00, 0x01, 0x7f, 0x80, 0x81, 0xc0, 0xc3, 0xf0, 0xf4, 0xfd, 0xfe, 0xff];
const NASTY_NUMBERS = [0n, 1n, 0x7fffffffn, 0x80000000n, 0xffffffffn, 0x7fffffffffffffffn, -1n];

/** Damages `input` once, or `times` times in a row. */
export function mutate(input: Uint8Array, random: SeededRandom, times = 1): Mutation {
  let bytes: Buffer = Buffer.from(input);
  const steps: string[] = [];
  for (let i = 0; i < times; i++) {
    const step = random.pick(MUTATORS)(bytes, random);
    bytes = step.bytes;
    steps.push(step.what);
  }
  return { bytes, what: steps.join(', then ') };
}

/** Where to damage: all over, but more often near the beginning, where the structure is. */
function place(bytes: Buffer, random: SeededRandom): number {
  return random.below(random.chance(0.3) ? Math.min(bytes.length, 64) : bytes.length);
}

function span(bytes: Buffer, random: SeededRandom): [start: number, end: number] {
  const start = place(bytes, random);
  const longest = random.chance(0.8) ? 16 : bytes.length;
  return [start, Math.min(bytes.length, start + 1 + random.below(longest))];
}

const flipBit: Mutator = (bytes, random) => {
  if (bytes.length === 0) return { bytes, what: 'nothing to flip' };
  const at = place(bytes, random);
  const bit = random.below(8);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
  return { bytes, what: `bit ${bit} of byte ${at} flipped` };
};

const setByte: Mutator = (bytes, random) => {
  if (bytes.length === 0) return { bytes, what: 'nothing to set' };
  const at = place(bytes, random);
  const value = random.chance(0.7) ? random.pick(NASTY_BYTES) : random.below(256);
  bytes[at] = value;
  return { bytes, what: `byte ${at} set to ${value}` };
};

const truncate: Mutator = (bytes, random) => {
  const size = random.below(bytes.length + 1);
  return { bytes: bytes.subarray(0, size), what: `truncated to ${size} bytes` };
};

const removeSpan: Mutator = (bytes, random) => {
  const [start, end] = span(bytes, random);
  const rest = Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]);
  return { bytes: rest, what: `bytes ${start} to ${end} removed` };
};

const duplicateSpan: Mutator = (bytes, random) => {
  const [start, end] = span(bytes, random);
  const more = Buffer.concat([bytes.subarray(0, end), bytes.subarray(start)]);
  return { bytes: more, what: `bytes ${start} to ${end} doubled` };
};

/** Copies a piece over another place. */
const splice: Mutator = (bytes, random) => {
  const [start, end] = span(bytes, random);
  const at = place(bytes, random);
  const piece = Buffer.from(bytes.subarray(start, end));
  piece.copy(bytes, at);
  return { bytes, what: `bytes ${start} to ${end} copied over byte ${at}` };
};

const insert: Mutator = (bytes, random) => {
  const at = random.below(bytes.length + 1);
  const piece = random.bytes(random.between(1, 9));
  const more = Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]);
  return { bytes: more, what: `${piece.toString('hex')} inserted at byte ${at}` };
};

/** Overwrites with a number of 1 to 8 bytes that may be taken for a length or a count. */
const lieAboutLength: Mutator = (bytes, random) => {
  const number = Buffer.alloc(9);
  const value = BigInt.asUintN(64, random.pick(NASTY_NUMBERS));
  const form = random.below(5);
  let size = 0;
  if (form === 0) size = number.writeUInt8(random.pick([0, 1, 0x3f, 0x40, 0x7f]), 0);
  else if (form === 1) size = number.writeUInt32LE(Number(value & 0xffffffffn), 0);
  else if (form === 2) size = number.writeUInt16LE(random.pick([0, 1, 0xfffe, 0xffff]), 0);
  else if (form === 3) {
    number[0] = 0x80;
    size = number.writeUInt32BE(Number(value & 0xffffffffn), 1);
  } else {
    number[0] = 0x81;
    size = number.writeBigUInt64BE(value, 1);
  }
  const at = place(bytes, random);
  const lie = number.subarray(0, Math.min(size, bytes.length - at));
  lie.copy(bytes, at);
  return { bytes, what: `${lie.toString('hex')} written at byte ${at}` };
};

/** Adds or takes one from a byte: the smallest lie about a length. */
const nudge: Mutator = (bytes, random) => {
  if (bytes.length === 0) return { bytes, what: 'nothing to nudge' };
  const at = place(bytes, random);
  const by = random.pick([1, -1]);
  bytes[at] = ((bytes[at] ?? 0) + by) & 255;
  return { bytes, what: `byte ${at} changed by ${by}` };
};

const MUTATORS: readonly Mutator[] = [
  flipBit,
  flipBit,
  setByte,
  nudge,
  truncate,
  removeSpan,
  duplicateSpan,
  splice,
  insert,
  lieAboutLength,
  lieAboutLength,
];
