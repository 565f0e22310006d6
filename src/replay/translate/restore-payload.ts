import {
  decodePayload,
  RestorePayloadEncoder,
  type StreamInfo,
  type TargetFormat,
  TYPE,
  type ValueSink,
} from '../../rdb/index.ts';
import type { Expiry } from './translate-options.ts';

const FOOTER_BYTES = 10;
/** The first RDB version of Valkey that Redis does not read, nor Valkey those of Redis after 11. */
const VALKEY_RDB = 80;
const LAST_COMMON_RDB = 11;
const FIELD_EXPIRY_TYPES = new Set<number>([TYPE.hashExpiry, TYPE.hashListpackExpiry, TYPE.hash22]);

/** Whether a RESTORE payload must be written anew, for a server or for what becomes of expiries. */
export function needsNewPayload(payload: Buffer, format: TargetFormat, expiry: Expiry): boolean {
  if (payload.length < FOOTER_BYTES + 1) return false;
  const version = payload.readUInt16LE(payload.length - FOOTER_BYTES);
  if (version > format.rdbVersion) return true;
  if (format.rdbVersion >= VALKEY_RDB && version > LAST_COMMON_RDB && version < VALKEY_RDB) {
    return true;
  }
  const changes = expiry.persists || expiry.shiftMs !== 0;
  return changes && FIELD_EXPIRY_TYPES.has(payload[0]);
}

/** The payload for that server; null when it cannot hold the value. Throws RDB_… codes. */
export function encodeNewPayload(
  payload: Buffer,
  format: TargetFormat,
  expiry: Expiry,
): Buffer | null {
  const encoder = new RestorePayloadEncoder(format);
  decodePayload(payload, new ChangedFieldExpiry(encoder, expiry));
  return encoder.representable ? encoder.copy() : null;
}

/** Shifts or drops the expiries of fields on the way to another sink. */
class ChangedFieldExpiry implements ValueSink {
  readonly #sink: ValueSink;
  readonly #expiry: Expiry;

  constructor(sink: ValueSink, expiry: Expiry) {
    this.#sink = sink;
    this.#expiry = expiry;
  }

  begin: ValueSink['begin'] = (kind, count) => this.#sink.begin(kind, count);
  text: ValueSink['text'] = (...text) => this.#sink.text(...text);
  score: ValueSink['score'] = (value) => this.#sink.score(value);
  streamEntry: ValueSink['streamEntry'] = (...id) => this.#sink.streamEntry(...id);
  streamEnd = (info: StreamInfo): void => this.#sink.streamEnd(info);
  arrayInsertIndex: ValueSink['arrayInsertIndex'] = (at) => this.#sink.arrayInsertIndex(at);
  arrayIndex: ValueSink['arrayIndex'] = (index) => this.#sink.arrayIndex(index);
  opaque: ValueSink['opaque'] = (value) => this.#sink.opaque(value);
  end: ValueSink['end'] = () => this.#sink.end();

  fieldExpireAt(ms: number): void {
    if (!this.#expiry.persists) this.#sink.fieldExpireAt(ms + this.#expiry.shiftMs);
  }
}
