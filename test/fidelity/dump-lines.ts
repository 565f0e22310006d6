import { ByteBuilder } from '../../src/base/index.ts';
import {
  formatText,
  JsonLineReader,
  JsonLineWriter,
  type ValueDigest,
  ValueDigester,
} from '../../src/entries/index.ts';
import {
  HashTemplates,
  RdbBatcher,
  type RdbBatch,
  RdbCursor,
  RdbEntryReader,
  type RdbFormat,
  type ValueSink,
} from '../../src/rdb/index.ts';

/** A dump as JSON Lines, with all that decoding it told. */
export type DecodedDump = {
  /** The lines of the keys, in the order of the dump. */
  readonly lines: Buffer;
  /** The lines of functions, scripts and module data. */
  readonly sideLines: string;
  readonly format: RdbFormat;
  readonly keys: number;
  readonly consumedBytes: number;
  readonly checksumVerified: boolean;
  /** How many keys took several batches. */
  readonly longKeys: number;
};

export type DecodeOptions = {
  readonly batchBytes?: number;
  /** Where the input is cut before it is pushed. */
  readonly cuts?: readonly number[];
};

/** Decodes a dump the way a backup does, in one thread. */
export function decodeDump(rdb: Uint8Array, options: DecodeOptions = {}): DecodedDump {
  const side: string[] = [];
  const templates = new HashTemplates();
  const out = new ByteBuilder(1 << 16);
  const lines = new ByteBuilder(1 << 16);
  const writer = new JsonLineWriter((bytes, start, end) => lines.append(bytes, start, end));
  let longKeys = 0;
  let keys = 0;
  const read = (batches: RdbBatch[]): void => {
    const [first, ...rest] = batches as [RdbBatch, ...RdbBatch[]];
    const refill = () => rest.shift()?.bytes;
    const cursor = new RdbCursor(
      first.bytes,
      0,
      first.bytes.length,
      first.offset,
      first.part === 'first' ? refill : undefined,
    );
    const reader = new RdbEntryReader(cursor, first.format, first.db, templates);
    while (reader.next()) {
      keys++;
      writer.entry(reader.header, first.format, out);
      reader.readValue(writer);
      lines.append(out.bytes, 0, out.length);
      out.clear();
    }
    if (rest.length > 0) throw new Error(`${rest.length} batches of a long key were not read`);
  };
  let long: RdbBatch[] = [];
  const batcher = new RdbBatcher({
    batchBytes: options.batchBytes ?? 1 << 20,
    side: {
      aux: (name, value) => {
        if (name === 'lua') side.push(sideLine('script', value));
      },
      functionLibrary: (source) => side.push(sideLine('function', source)),
      moduleAux: (record) => side.push(sideLine('moduleAux', record)),
      hashTemplate: (record) => readTemplate(record, templates),
    },
    onBatch: (batch) => {
      if (batch.part === 'first') longKeys++;
      long.push(batch);
      if (batch.part === 'first' || batch.part === 'middle') return;
      const batches = long;
      long = [];
      read(batches);
    },
  });
  let consumedBytes = 0;
  let from = 0;
  for (const to of [...(options.cuts ?? []), rdb.length]) {
    consumedBytes += batcher.push(rdb, from, to);
    from = to;
  }
  batcher.finish();
  const { scanner } = batcher;
  return {
    lines: lines.copy(),
    sideLines: side.join(''),
    format: scanner.format as RdbFormat,
    keys,
    consumedBytes,
    checksumVerified: scanner.checksumVerified,
    longKeys,
  };
}

function sideLine(type: string, value: Uint8Array): string {
  return `${JSON.stringify({ type, value: formatText(value) })}\n`;
}

/** Reads lines with the product's reader and writes them again. */
export function rewriteLines(lines: Uint8Array, format: RdbFormat): Buffer {
  const reader = new JsonLineReader();
  const all = new ByteBuilder(lines.length);
  const out = new ByteBuilder(1 << 16);
  const writer = new JsonLineWriter((bytes, start, end) => all.append(bytes, start, end));
  reader.open(lines, 0, lines.length);
  while (reader.next()) {
    if (reader.header.part === 0) writer.entry(reader.header, format, out);
    reader.readValue(writer);
    if (reader.header.more) continue;
    all.append(out.bytes, 0, out.length);
    out.clear();
  }
  return all.copy();
}

/** The digest of every value in lines, by database and key. */
export function digestLines(lines: Uint8Array): Map<string, ValueDigest> {
  const reader = new JsonLineReader();
  const digester = new ValueDigester();
  const digests = new Map<string, ValueDigest>();
  reader.open(lines, 0, lines.length);
  while (reader.next()) {
    reader.readValue(digester);
    const { db, key, keyStart, keyEnd, more } = reader.header;
    if (more) continue;
    digests.set(
      `${db}:${Buffer.from(key.subarray(keyStart, keyEnd)).toString('latin1')}`,
      digester.digest(),
    );
  }
  return digests;
}

/** The digest of every value in a dump, by database and key. */
export function digestDump(rdb: Uint8Array): Map<string, ValueDigest> {
  const digester = new ValueDigester();
  const digests = new Map<string, ValueDigest>();
  readDump(rdb, digester, (key) => digests.set(key, digester.digest()));
  return digests;
}

/** Hands every value of a dump to `sink`, and then its name to `onKey`. */
export function readDump(rdb: Uint8Array, sink: ValueSink, onKey: (key: string) => void): void {
  const templates = new HashTemplates();
  const batcher = new RdbBatcher({
    batchBytes: rdb.length + 1,
    side: {
      aux() {},
      functionLibrary() {},
      moduleAux() {},
      hashTemplate: (record) => readTemplate(record, templates),
    },
    onBatch: ({ bytes, format, offset, db }) => {
      const cursor = new RdbCursor(bytes, 0, bytes.length, offset);
      const reader = new RdbEntryReader(cursor, format, db, templates);
      while (reader.next()) {
        reader.readValue(sink);
        const { key, keyStart, keyEnd } = reader.header;
        const name = Buffer.from(key.subarray(keyStart, keyEnd)).toString('latin1');
        onKey(`${reader.header.db}:${name}`);
      }
    },
  });
  batcher.push(rdb, 0, rdb.length);
  batcher.finish();
}

function readTemplate(record: Buffer, templates: HashTemplates): void {
  templates.read(new RdbCursor(record, 1, record.length, 0));
}
