import type { LineHeader } from '../../entries/index.ts';
import { NONE, type ValueSink } from '../../rdb/index.ts';
import { ExpiringFields } from '../encode/expiring-fields.ts';
import type { Verdict } from '../encode/guarded-encoder.ts';
import type { LongKeyLines } from '../long-keys/long-key-lines.ts';
import { EXPIRED, expiryOf } from '../policies.ts';
import type { ExportOptions } from './exported-block.ts';
import type { LongKey } from './export-writer.ts';
import { LongKeySurvey } from './long-key-survey.ts';

/** Kinds that a target either holds or not, whatever is in them. */
const PLAIN_KINDS: ReadonlySet<string> = new Set(['list', 'set', 'zset', 'array']);

/** A key of several lines: looked through by `survey`, then written by `feed`. */
export class SurveyedKey implements LongKey {
  readonly header: LineHeader;
  readonly key: Buffer;
  readonly expireAtMs: number;
  count = NONE;
  /** The module that the value belongs to, or ''. */
  module = '';
  readonly #lines: LongKeyLines;
  readonly #options: ExportOptions;
  readonly #nowMs: number;

  /** `nowMs`: the instant against which the key and its fields count as expired. */
  constructor(lines: LongKeyLines, header: LineHeader, options: ExportOptions, nowMs: number) {
    this.header = header;
    this.key = Buffer.from(header.key.subarray(header.keyStart, header.keyEnd));
    this.expireAtMs = expiryOf(header.expireAtMs, options.ttl, nowMs);
    this.#lines = lines;
    this.#options = options;
    this.#nowMs = nowMs;
  }

  /**
   * What is to be said of the key before it is written; undefined: nothing. Reads the value where
   * its first line does not tell enough.
   */
  async survey(): Promise<Verdict | 'expired' | undefined> {
    if (this.expireAtMs === EXPIRED) return 'expired';
    const survey = new LongKeySurvey(this.#options);
    const { kind, count } = this.header;
    if (kind === 'string' || (PLAIN_KINDS.has(kind) && count !== NONE)) {
      survey.begin(kind, count);
      survey.end();
    } else {
      if (!(await this.#read(survey))) return 'expired';
      if (kind !== 'opaque') this.count = survey.count;
    }
    this.module = survey.module;
    return survey.verdict(this.header);
  }

  feed = async (sink: ValueSink, onBlock?: () => Promise<void>): Promise<void> => {
    await this.#read(sink, onBlock);
  };

  /** False: all that the key had has expired. */
  async #read(sink: ValueSink, onBlock?: () => Promise<void>): Promise<boolean> {
    if (this.header.kind !== 'hash') {
      await this.#lines.feed(sink, onBlock);
      return true;
    }
    const fields = new ExpiringFields(sink, this.#options.ttl);
    fields.nowMs = this.#nowMs;
    await this.#lines.feed(fields, onBlock);
    return fields.kept > 0;
  }
}
