import type { LineHeader } from '../../entries/index.ts';
import { type OpaqueInfo, RestorePayloadEncoder } from '../../rdb/index.ts';
import type { EncoderOptions } from './encoded-block.ts';
import { REFUSED_LOSSES } from '../policies.ts';

/** What stands against writing a value, or against calling it exact. */
export type Verdict = { readonly code: 'inexact' | 'failed'; readonly reason: string };

/** A payload encoder that knows what the target must not be given. */
export class GuardedEncoder extends RestorePayloadEncoder {
  readonly #options: EncoderOptions;
  #missing = '';

  /** `isSealed`: with version and checksum. */
  constructor(options: EncoderOptions, isSealed = true) {
    super(options.format, isSealed);
    this.#options = options;
  }

  override opaque(info: OpaqueInfo): void {
    const { modules } = this.#options;
    const name = info.moduleName;
    this.#missing = name !== null && modules !== null && !modules.includes(name) ? name : '';
    super.opaque(info);
  }

  /** About the value that ended last, whose line had this head; undefined: write it. */
  verdict(header: LineHeader): Verdict | undefined {
    const { allowInexact } = this.#options;
    if (header.kind === 'opaque' && this.#missing !== '') {
      return { code: 'failed', reason: `the target lacks the module type ${this.#missing}` };
    }
    if (!this.representable) return { code: 'failed', reason: this.inexact.join(', ') };
    const losses: string[] = [...this.inexact];
    if (header.keyMeta !== undefined) losses.push('key-metadata');
    if (losses.length === 0) return undefined;
    const isRefused = losses.some((loss) => REFUSED_LOSSES.has(loss)) && !allowInexact;
    return { code: isRefused ? 'failed' : 'inexact', reason: losses.join(', ') };
  }
}
