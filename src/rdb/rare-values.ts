import type { RdbCursor } from './cursor.ts';
import { type RdbFormat, TYPE } from './format.ts';
import { DOUBLE_TEXT_BYTES, formatDouble } from './numbers/format-double.ts';
import { formatInt64, INT64_TEXT_BYTES } from './numbers/int-text.ts';
import { TEXT_PIECE_BYTES, type ValueSink } from './value-sink.ts';
import { ValueSkipper } from './value-skipper.ts';

const TAG_STRING = 0;
const TAG_INT64 = 1;
const TAG_DOUBLE = 2;
const TAG_SHORT = 3;

/** Array (RDB 14): count, flag [, insert index], then (index, tag, payload) ascending. */
export function decodeArray(cursor: RdbCursor, sink: ValueSink): void {
  const count = cursor.length();
  const flag = cursor.length();
  if (flag > 1) throw cursor.corrupt('an array');
  sink.begin('array', count);
  if (flag === 1) sink.arrayInsertIndex(cursor.bigLength());
  const text = new Uint8Array(DOUBLE_TEXT_BYTES + 2 + INT64_TEXT_BYTES);
  for (let i = 0; i < count; i++) {
    sink.arrayIndex(cursor.bigLength());
    const tag = cursor.length();
    if (tag === TAG_STRING || tag === TAG_SHORT) cursor.forwardString(sink);
    else {
      let end = 0;
      if (tag === TAG_INT64) {
        const low = cursor.int32();
        end = formatInt64(cursor.int32(), low, text, 0);
      } else if (tag === TAG_DOUBLE) end = formatArrayDouble(cursor.double(), text);
      else throw cursor.corrupt('an array item');
      sink.text(text, 0, end, true, end);
    }
  }
}

/** The text that the server gives for a double item: shortest, `.0` appended when integral. */
function formatArrayDouble(value: number, text: Uint8Array): number {
  if (!Number.isFinite(value)) {
    const name = Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
    return Buffer.from(text.buffer).write(name, 'latin1');
  }
  let end = formatDouble(value, text, 0);
  for (let i = 0; i < end; i++) {
    if (text[i] === 0x2e || text[i] === 0x65) return end;
  }
  text[end++] = 0x2e;
  text[end++] = 0x30;
  return end;
}

/**
 * A module's value, or a native type that we only delimit: its bytes behind the type, as one text
 * of a length that is not known before its end.
 */
export function decodeOpaque(
  cursor: RdbCursor,
  type: number,
  format: RdbFormat,
  sink: ValueSink,
): void {
  let moduleName: string | null = null;
  if (type === TYPE.module) {
    cursor.need(1);
    cursor.need(cursor.bytes[cursor.pos] === 0x81 ? 9 : 1);
    const at = cursor.pos;
    moduleName = formatModuleName(cursor.bigLength());
    cursor.pos = at;
  }
  sink.begin('opaque', -1);
  sink.opaque({
    rdbType: type,
    rdbVersion: format.version,
    dialect: format.dialect,
    moduleName,
  });
  const skipper = new ValueSkipper();
  skipper.begin(type, format);
  let piece = Buffer.allocUnsafe(4096);
  let filled = 0;
  while (!skipper.done) {
    let at = cursor.pos;
    cursor.pos = skipper.run(cursor.bytes, at, cursor.end, cursor.base);
    while (at < cursor.pos) {
      if (filled === TEXT_PIECE_BYTES) {
        sink.text(piece, 0, filled, false, -1);
        filled = 0;
      }
      const taken = Math.min(cursor.pos - at, TEXT_PIECE_BYTES - filled);
      if (filled + taken > piece.length) {
        const grown = Buffer.allocUnsafe(Math.min(TEXT_PIECE_BYTES, (filled + taken) * 2));
        grown.set(piece.subarray(0, filled));
        piece = grown;
      }
      piece.set(cursor.bytes.subarray(at, at + taken), filled);
      filled += taken;
      at += taken;
    }
    if (!skipper.done) cursor.fillAny();
  }
  sink.text(piece, 0, filled, true, -1);
}

const MODULE_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** The nine characters in the upper 54 bits of a module type id. */
export function formatModuleName(id: bigint): string {
  let name = '';
  for (let shift = 58n; shift >= 10n; shift -= 6n) {
    name += MODULE_ALPHABET[Number((id >> shift) & 63n)];
  }
  return name;
}
