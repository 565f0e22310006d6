import { CodedError } from '../base/index.ts';
import { RdbCursor } from './cursor.ts';
import { OPCODE, type RdbFormat } from './format.ts';
import { HashTemplates } from './hash-templates.ts';
import { ValueDecoder } from './value-decoder.ts';
import type { ValueSink } from './value-sink.ts';
import { ValueSkipper } from './value-skipper.ts';

/** The RDB version and the checksum behind every DUMP payload. */
export const FOOTER_BYTES = 10;

/**
 * Decodes a DUMP payload (docs/formats/rdb.md, DUMP and RESTORE) in the dialect that its footer
 * names. Its checksum is not looked at: it came over a connection, or from our own encoder. Throws
 * RDB_CORRUPT, RDB_TRUNCATED, RDB_UNSUPPORTED.
 */
export function decodePayload(payload: Uint8Array, sink: ValueSink): void {
  const end = payload.length - FOOTER_BYTES;
  if (end < 1) {
    throw new CodedError('RDB_TRUNCATED', `Cannot read a payload of ${payload.length} bytes`, {
      offset: 0,
    });
  }
  const version = payload[end] | (payload[end + 1] << 8);
  const format: RdbFormat = { version, dialect: version >= 80 ? 'valkey' : 'redis' };
  const cursor = new RdbCursor(payload, 0, end, 0);
  let type = cursor.byte();
  if (type === OPCODE.keyMetaOrSlotImport && format.dialect === 'redis') {
    const skipper = new ValueSkipper();
    skipper.beginKeyMeta();
    cursor.pos = skipper.run(payload, cursor.pos, end, 0);
    type = cursor.byte();
  }
  new ValueDecoder(cursor, format, new HashTemplates()).decode(type, sink);
  if (cursor.pos !== end) throw cursor.corrupt('the end of a payload');
}
