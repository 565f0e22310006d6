import { describe, test } from 'node:test';
import { type Bytes } from '../support/model.ts';
import { assertReadBack, MIB, PLACES, writeLines } from './read-back.ts';

/** Texts of a size: plain, all escapes, bytes that are no UTF-8, characters that pieces cut. */
function texts(size: number): Bytes[] {
  const bytes = Buffer.alloc(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * 7919) >>> 3;
  const wide = Buffer.alloc(size, '€');
  return ['x'.repeat(size), '\n'.repeat(size), bytes.toString('latin1'), wide.toString('latin1')];
}

const SIZES = [MIB - 1, MIB, MIB + 1, 2 * MIB, 2 * MIB + 5];

describe('JsonLineWriter writes a long text', () => {
  for (const [place, build] of Object.entries(PLACES)) {
    for (const size of SIZES) {
      test(`of ${size} bytes as ${place}`, () => {
        for (const text of size > 2 * MIB ? texts(size) : texts(size).slice(2)) {
          const value = build(text);
          assertReadBack(value, writeLines(value));
        }
      });
    }
    test(`of 5 MiB as ${place}`, () => {
      const value = build('y'.repeat(5 * MIB));
      assertReadBack(value, writeLines(value, true));
    });
  }
});
