import { CodedError, printableBytes } from '../../base/index.ts';
import {
  decodePayload,
  forwardPieces,
  formatOfRdb,
  type RdbFormat,
  RdbStreamWriter,
  targetFormat,
  type TargetFamily,
  type TargetFormat,
  type ValueSink,
  versionNumber,
} from '../../rdb/index.ts';
import type { ServerIdentity } from '../../redis/index.ts';
import { checkPayload, FOOTER_BYTES } from './dump-payload.ts';

/** Where the payload of a key with module metadata begins (Redis 8.6). */
const KEY_META = 243;
const FIRST_VALKEY_RDB = 80;
/** From here on Redis knows key metadata, below it 243 is nothing. */
const KEY_META_RDB = 13;

/**
 * The RDB that a scanned server would have sent: header in its dialect and version, functions, keys
 * with the bytes that DUMP gave or with values handed over as elements, checksum. The version is
 * that of the first payload, since a server says it nowhere else for sure.
 */
export class RdbOutput {
  /** Keys whose module metadata could not be written. */
  keyMetadata = 0;
  readonly #identity: ServerIdentity;
  readonly #write: (chunk: Buffer) => void;
  readonly #libraries: Uint8Array[] = [];
  #writer: RdbStreamWriter | null = null;
  #database = -1;

  constructor(identity: ServerIdentity, write: (chunk: Buffer) => void) {
    this.#identity = identity;
    this.#write = write;
  }

  /** A function library; to be given before the first key. */
  functionLibrary(source: Uint8Array): void {
    this.#libraries.push(source);
  }

  /** Writes a key with what DUMP gave for it; checks the payload's checksum. */
  payload(db: number, key: Uint8Array, expireAtMs: number | undefined, payload: Buffer): void {
    const format = checkPayload(payload, key);
    const writer = this.#open(format, key);
    this.#select(writer, db);
    writer.entry(key, 0, key.length, { expireAtMs });
    const type = payload[0];
    if (type === KEY_META && format.dialect === 'redis' && format.version >= KEY_META_RDB) {
      this.keyMetadata++;
      decodePayload(payload, writer);
    } else {
      const size = payload.length - FOOTER_BYTES - 1;
      writer.begin('opaque', size);
      const { version: rdbVersion, dialect } = format;
      writer.opaque({ rdbType: type, rdbVersion, dialect, moduleName: null });
      forwardPieces(writer, payload, 1, 1 + size);
      writer.end();
    }
    if (writer.representable) return;
    throw new CodedError('RDB_UNSUPPORTED', `Cannot write RDB type ${type} into a dump`, {
      key: printableBytes(key),
    });
  }

  /** Announces a key; its value is to be handed to the sink, to its end, before anything else. */
  value(db: number, key: Uint8Array, expireAtMs: number | undefined): ValueSink {
    this.#writer ??= this.#create(formatOfServer(this.#identity));
    const writer = this.#writer;
    this.#select(writer, db);
    writer.entry(key, 0, key.length, { expireAtMs });
    return writer;
  }

  finish(): void {
    (this.#writer ?? this.#create(formatOfServer(this.#identity))).finish();
  }

  /** Fixes the version of the RDB by that of a payload of the server's, unless it is fixed. */
  begin(format: RdbFormat): void {
    this.#writer ??= this.#create(formatOfPayloads(this.#identity, format));
  }

  #open(format: RdbFormat, key: Uint8Array): RdbStreamWriter {
    this.#writer ??= this.#create(formatOfPayloads(this.#identity, format));
    const { rdbVersion } = this.#writer.format;
    const isValkey = rdbVersion >= FIRST_VALKEY_RDB;
    const isSameDialect = isValkey === format.version >= FIRST_VALKEY_RDB;
    if (format.version <= rdbVersion && isSameDialect) return this.#writer;
    const message = `The server gave payloads of RDB version ${rdbVersion} and ${format.version}`;
    throw new CodedError('SOURCE_GARBAGE', message, {
      key: printableBytes(key),
      hint: 'Does a proxy send us to servers of several versions? Name one of them',
    });
  }

  #create(format: TargetFormat): RdbStreamWriter {
    const writer = new RdbStreamWriter(format, this.#write);
    const { family, version } = this.#identity;
    if (version !== '') writer.aux(family === 'valkey' ? 'valkey-ver' : 'redis-ver', version);
    writer.aux('redis-bits', '64');
    for (const library of this.#libraries) writer.functionLibrary(library);
    return writer;
  }

  #select(writer: RdbStreamWriter, db: number): void {
    if (db === this.#database) return;
    this.#database = db;
    writer.selectDb(db);
  }
}

function formatOfPayloads(identity: ServerIdentity, format: RdbFormat): TargetFormat {
  if (format.version >= FIRST_VALKEY_RDB) return formatOfRdb('valkey', format.version);
  if (identity.family === 'keydb') return formatOfRdb('keydb', format.version);
  const isValkey = identity.family === 'valkey' && format.version <= 11;
  return formatOfRdb(isValkey ? 'valkey' : 'redis', format.version);
}

/** For a server without keys, where any version would do. */
function formatOfServer({ family, version }: ServerIdentity): TargetFormat {
  const known: TargetFamily = family === 'unknown' ? 'redis' : family;
  return targetFormat(known, version === '' ? 0 : versionNumber(version));
}
