import { RdbCursor } from '../rdb/index.ts';

/** What of a vector set is its content; the rest of its payload is the graph that indexes it. */
export interface VectorSetVisitor {
  /** Dimension, count, quantization and so on; the projection matrix where there is one. */
  header(numbers: readonly bigint[], projection: Uint8Array | undefined): void;
  /** Name, [attributes,] vector; `norm` packs the vector's length and range. */
  element(texts: readonly Uint8Array[], norm: bigint): void;
}

const HAS_PROJECTION = 1n;
const HAS_ATTRIBUTES = 2n;
const UNSIGNED = 2;
const STRING = 5;

/**
 * Reads the payload of a vector set, the module value that Redis 8 has built in: four numbers
 * (dimension, count, configuration, flags), with flag 1 the input dimension and a matrix, then per
 * element its name, with flag 2 its attributes, its vector, a count and so many numbers: the place
 * in the graph, which a server builds anew, and last the norm. False: not of this form.
 */
export function visitVectorSet(payload: Uint8Array, visitor: VectorSetVisitor): boolean {
  const cursor = new RdbCursor(payload, 0, payload.length, 0);
  try {
    cursor.bigLength();
    const header = [0, 1, 2, 3].map(() => unsigned(cursor));
    const flags = header[3];
    let projection: Uint8Array | undefined;
    if ((flags & HAS_PROJECTION) !== 0n) {
      header.push(unsigned(cursor));
      projection = text(cursor);
    }
    visitor.header(header, projection);
    const texts = (flags & HAS_ATTRIBUTES) === 0n ? 2 : 3;
    for (let left = header[1]; left > 0n; left--) {
      const found = Array.from({ length: texts }, () => text(cursor));
      let norm = 0n;
      for (let count = unsigned(cursor); count > 0n; count--) norm = unsigned(cursor);
      visitor.element(found, norm);
    }
    return cursor.length() === 0 && cursor.pos === payload.length;
  } catch {
    return false;
  }
}

function unsigned(cursor: RdbCursor): bigint {
  if (cursor.length() !== UNSIGNED) throw new Error('not a number');
  return cursor.bigLength();
}

function text(cursor: RdbCursor): Buffer {
  if (cursor.length() !== STRING) throw new Error('not a text');
  return cursor.copyString();
}
