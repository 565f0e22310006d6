import type { JsonLineReader } from '../../entries/index.ts';
import { appendRdbEntry } from '../../rdb/index.ts';
import type { Verdict } from '../encode/guarded-encoder.ts';
import { attributesOf, LineExporter } from './line-exporter.ts';

/** Lines → entries of an RDB, for RdbStreamWriter.entries. */
export class RdbExporter extends LineExporter {
  protected override entry(
    reader: JsonLineReader,
    expireAtMs: number,
  ): Verdict | 'expired' | undefined {
    const outcome = this.encodePayload(reader);
    if (outcome === 'expired' || outcome?.code === 'failed') return outcome;
    const { header } = reader;
    const { payloads } = this;
    appendRdbEntry(
      this.out,
      this.options.format,
      attributesOf(header, expireAtMs),
      { bytes: header.key, start: header.keyStart, end: header.keyEnd },
      { bytes: payloads.bytes, start: payloads.start, end: payloads.payloadEnd },
    );
    return outcome;
  }
}
