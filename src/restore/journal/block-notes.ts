import { ABSENT, DIFFERENT, EQUAL, PRINT_BYTES } from '../look/block-sight.ts';

/** What a task noted of a block before it wrote its keys. */
export type BlockNotes = {
  /** The instant against which keys counted as expired: encoded again by it, the block is same. */
  readonly nowMs: number;
  /** Commands of the block. */
  readonly count: number;
  /** What was in the target, by command: ABSENT, EQUAL or DIFFERENT. */
  readonly states: Uint8Array;
  /** Fingerprints of what was to be overwritten, at the place of each; empty where none was. */
  readonly prints: Uint8Array;
};

/** The notes as members of a journal record; what is not there costs nothing. */
export type BlockNotesFields = {
  readonly at: number;
  readonly n: number;
  /** Bitmaps of the commands, base64. */
  readonly equal?: string;
  readonly different?: string;
  /** The fingerprints of the different ones, behind one another. */
  readonly prints?: string;
};

export function encodeNotes({ nowMs, count, states, prints }: BlockNotes): BlockNotesFields {
  const equal = encodeBits(states, EQUAL);
  const different = encodeBits(states, DIFFERENT);
  return {
    at: nowMs,
    n: count,
    ...(equal !== undefined && { equal }),
    ...(different !== undefined && { different }),
    ...(different !== undefined && prints.length > 0 && { prints: packPrints(states, prints) }),
  };
}

export function decodeNotes(fields: BlockNotesFields): BlockNotes {
  const { at, n, equal, different, prints } = fields;
  const states = new Uint8Array(n).fill(ABSENT);
  markBits(states, equal, EQUAL);
  markBits(states, different, DIFFERENT);
  return { nowMs: at, count: n, states, prints: unpackPrints(states, prints) };
}

function encodeBits(states: Uint8Array, wanted: number): string | undefined {
  if (!states.includes(wanted)) return undefined;
  const bits = Buffer.alloc(Math.ceil(states.length / 8));
  for (const [i, state] of states.entries()) if (state === wanted) bits[i >> 3] |= 1 << (i & 7);
  return bits.toString('base64');
}

function markBits(states: Uint8Array, text: string | undefined, state: number): void {
  if (text === undefined) return;
  const bits = Buffer.from(text, 'base64');
  for (let i = 0; i < states.length; i++) if ((bits[i >> 3] >> (i & 7)) & 1) states[i] = state;
}

function packPrints(states: Uint8Array, prints: Uint8Array): string {
  const packed: Uint8Array[] = [];
  for (const [i, state] of states.entries()) {
    if (state === DIFFERENT) packed.push(prints.subarray(i * PRINT_BYTES, (i + 1) * PRINT_BYTES));
  }
  return Buffer.concat(packed).toString('base64');
}

function unpackPrints(states: Uint8Array, text: string | undefined): Uint8Array {
  if (text === undefined) return new Uint8Array(0);
  const packed = Buffer.from(text, 'base64');
  const prints = new Uint8Array(states.length * PRINT_BYTES);
  let at = 0;
  for (const [i, state] of states.entries()) {
    if (state !== DIFFERENT) continue;
    prints.set(packed.subarray(at, at + PRINT_BYTES), i * PRINT_BYTES);
    at += PRINT_BYTES;
  }
  return prints;
}
