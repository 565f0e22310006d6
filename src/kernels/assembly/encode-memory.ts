/**
 * Where the encoder keeps what: fixed places in its memory of 32 MiB. Everything that reads or
 * writes in steps of 16 bytes may touch SLACK bytes behind what it was asked for.
 */
export const SLACK: usize = 64;

/** A key that does not stand for itself, decoded. */
export const KEY: usize = 0x0010_0000;
export const KEY_BYTES: usize = 0x0001_0000;

/** Small tables of the values that need them: members of a set or sorted set, a stream's lists. */
export const TABLE: usize = 0x0014_0000;
export const TABLE_BYTES: usize = 0x000c_0000;

/** Where each command ends. */
export const ENDS: usize = 0x0020_0000;
export const MAX_ENDS: u32 = 0x0002_0000;

/** Texts that must outlive the next one, decoded. */
export const STAGE: usize = 0x0030_0000;
export const STAGE_BYTES: usize = 0x0010_0000 - SLACK;

/** One text that does not stand for itself, decoded: never longer than the input. */
export const SCRATCH: usize = 0x0040_0000;

/** One value as RESTORE takes it. */
export const PAYLOAD: usize = 0x0090_0000;
export const PAYLOAD_END: usize = 0x00f0_0000 - SLACK;

/** The lines. */
export const INPUT: usize = 0x00f0_0000;
export const INPUT_BYTES: usize = 0x0040_0000;

/** The commands. */
export const OUTPUT: usize = 0x0140_0000;
export const OUTPUT_END: usize = 0x01f0_0000 - SLACK;

/** Letters of the literals below, each at a place of 32 bytes. */
const LITERALS = memory.data(64 * 32, 16);
let literals: usize = 0;

/** Lays an ASCII text of up to 32 letters where it can be compared and copied; its address. */
export function literal(text: string): usize {
  const at = LITERALS + literals * 32;
  literals++;
  for (let i = 0; i < text.length; i++) store<u8>(at + <usize>i, <u8>text.charCodeAt(i));
  return at;
}

/** Whether the `size` letters (at most 16) of a literal stand at `at`. */
// @ts-ignore: decorator
@inline
export function matches(at: usize, expected: usize, size: u32): bool {
  const wanted = (1 << size) - 1;
  const same = i8x16.bitmask(i8x16.eq(v128.load(at), v128.load(expected)));
  return (same & wanted) === wanted;
}

/** Copies `size` bytes; up to 15 bytes more are read and written. Never for places that overlap. */
// @ts-ignore: decorator
@inline
export function copy(to: usize, from: usize, size: usize): void {
  if (size > 512) {
    memory.copy(to, from, size);
    return;
  }
  let done: usize = 0;
  do {
    v128.store(to + done, v128.load(from + done));
    done += 16;
  } while (done < size);
}
