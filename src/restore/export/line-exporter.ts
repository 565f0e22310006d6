import { ByteBuilder } from '../../base/index.ts';
import { EntrySelector, formatText, JsonLineReader, type LineHeader } from '../../entries/index.ts';
import { NONE } from '../../rdb/index.ts';
import type { KeyProblem } from '../encode/encoded-block.ts';
import { ExpiringFields } from '../encode/expiring-fields.ts';
import type { Verdict } from '../encode/guarded-encoder.ts';
import { EXPIRED, expiryOf, NO_EXPIRY } from '../policies.ts';
import type { ExportedBlock, ExportOptions } from './exported-block.ts';
import { emptyExportCounts, type ExportCounts } from './export-tally.ts';
import { NamingEncoder } from './naming-encoder.ts';

/**
 * Turns the lines of a block, of keys that take one line each, into what an export holds: selects,
 * applies the expiry policy, counts, and takes back what a key has written when it turns out that
 * the target cannot hold it. How a key is written is the subclass's. Runs in a worker.
 */
export abstract class LineExporter {
  protected readonly options: ExportOptions;
  protected readonly out = new ByteBuilder(1 << 20);
  protected readonly payloads: NamingEncoder;
  protected readonly fields: ExpiringFields;
  readonly #selector: EntrySelector;
  readonly #reader = new JsonLineReader();
  #counts: ExportCounts = emptyExportCounts();
  #problems: KeyProblem[] = [];
  #modules = new Set<string>();

  constructor(options: ExportOptions) {
    this.options = options;
    this.#selector = new EntrySelector(options.selection);
    // An RDB takes values without what RESTORE checks.
    this.payloads = new NamingEncoder(options, options.way !== 'rdb');
    this.fields = new ExpiringFields(this.payloads, options.ttl);
  }

  /**
   * Writes one entry to `out`, its value read from `reader`. A verdict of 'failed', or 'expired'
   * when nothing of the value is left: what was written is taken back.
   */
  protected abstract entry(
    reader: JsonLineReader,
    expireAtMs: number,
  ): Verdict | 'expired' | undefined;

  /** `nowMs`: the instant against which keys count as expired. The result is the caller's. */
  export(raw: Uint8Array, nowMs: number): ExportedBlock {
    const reader = this.#reader;
    this.fields.nowMs = nowMs;
    this.out.clear();
    this.#counts = emptyExportCounts();
    this.#problems = [];
    this.#modules = new Set();
    reader.open(raw, 0, raw.length);
    while (reader.next()) {
      if (this.#selector.wants(reader.header)) this.#wanted(reader, nowMs);
    }
    return {
      bytes: new Uint8Array(this.out.view()),
      counts: this.#counts,
      problems: this.#problems,
      modules: [...this.#modules],
    };
  }

  #wanted(reader: JsonLineReader, nowMs: number): void {
    const { header } = reader;
    const counts = this.#counts;
    counts.selected++;
    const expireAtMs = expiryOf(header.expireAtMs, this.options.ttl, nowMs);
    const before = this.out.length;
    const outcome = expireAtMs === EXPIRED ? 'expired' : this.entry(reader, expireAtMs);
    if (outcome === 'expired') {
      this.out.length = before;
      counts.expired++;
      return;
    }
    if (outcome !== undefined) {
      const key = formatText(header.key.subarray(header.keyStart, header.keyEnd));
      this.#problems.push({ key, ...outcome });
    }
    if (outcome?.code === 'failed') {
      this.out.length = before;
      counts.failed++;
      return;
    }
    counts.written++;
    if (outcome?.code === 'inexact') counts.inexact++;
    if (header.kind === 'opaque' && this.payloads.module !== '') {
      this.#modules.add(this.payloads.module);
    }
  }

  /** Has the value encoded as a payload; the outcome as `entry` gives it. */
  protected encodePayload(reader: JsonLineReader): Verdict | 'expired' | undefined {
    const { header } = reader;
    reader.readValue(header.fieldExpiries ? this.fields : this.payloads);
    if (header.fieldExpiries && this.fields.kept === 0) return 'expired';
    return this.payloads.verdict(header);
  }
}

/** Expiry and use of a key as RDB entries take them. */
export function attributesOf(header: LineHeader, expireAtMs: number) {
  const known = (value: number): number | undefined => (value === NONE ? undefined : value);
  return {
    expireAtMs: expireAtMs === NO_EXPIRY ? undefined : expireAtMs,
    idleSeconds: known(header.idleSeconds),
    frequency: known(header.frequency),
  };
}
