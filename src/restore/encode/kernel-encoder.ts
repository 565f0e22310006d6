import { instantiateKernel, type KernelMemory } from '../../kernels/index.ts';
import type { ExportTtlPolicy } from '../policies.ts';
import type { EncoderOptions } from './encoded-block.ts';

/** What src/kernels/assembly/encode.ts exports. */
type Exports = {
  readonly memory: KernelMemory;
  readonly inputAt: Global;
  readonly inputBytes: Global;
  readonly outputAt: Global;
  readonly endsAt: Global;
  readonly position: Global;
  readonly outputSize: Global;
  readonly commands: Global;
  readonly selected: Global;
  readonly expired: Global;
  configure(
    flags: number,
    kinds: number,
    streamType: number,
    ttlPolicy: number,
    startedAtMs: number,
    snapshotAtMs: number,
  ): void;
  begin(size: number, nowMs: number): number;
  run(): number;
};

type Global = { value: number };

const KINDS = ['string', 'list', 'set', 'hash', 'zset', 'stream'] as const;
const TTL_POLICIES: readonly ExportTtlPolicy[] = ['absolute', 'remaining', 'persist'];
const VERDICTS = ['done', 'other', 'full'] as const;

const LISTPACKS = 1;
const SET_LISTPACKS = 2;
const SET_PXAT = 4;
const RESTORE_OPTIONS = 8;

const NEWLINE = 0x0a;

/**
 * The encoder in WebAssembly: whole blocks of lines at a time, the common ones among them. It stops
 * at the beginning of a line that is not its own, having written nothing of it.
 */
export class KernelEncoder {
  readonly #exports: Exports;
  readonly #memory: Uint8Array;
  readonly #ends: Uint32Array;
  readonly #databases: ReadonlySet<number> | undefined;

  private constructor({ format, selection, ttl, ...options }: EncoderOptions) {
    this.#exports = instantiateKernel<Exports>('encode');
    const { memory, endsAt } = this.#exports;
    this.#memory = new Uint8Array(memory.buffer);
    this.#ends = new Uint32Array(memory.buffer, endsAt.value);
    this.#databases = selection.databases && new Set(selection.databases);
    const flags =
      (format.listpacks ? LISTPACKS : 0) |
      (format.setListpacks ? SET_LISTPACKS : 0) |
      (options.setPxat ? SET_PXAT : 0) |
      (options.restoreOptions ? RESTORE_OPTIONS : 0);
    let kinds = 0;
    for (const [bit, kind] of KINDS.entries()) {
      if (selection.types?.includes(kind) !== false) kinds |= 1 << bit;
    }
    const policy = TTL_POLICIES.indexOf(ttl.policy);
    const { startedAtMs, snapshotAtMs } = ttl;
    this.#exports.configure(flags, kinds, format.streamType, policy, startedAtMs, snapshotAtMs);
  }

  /** Undefined where it would not know any line: selections by key, and targets before 4.0. */
  static create(options: EncoderOptions): KernelEncoder | undefined {
    const { format, selection, ttl } = options;
    const { keys, match, exclude } = selection;
    if (!TTL_POLICIES.includes(ttl.policy)) return undefined;
    if (keys !== undefined || match !== undefined || exclude !== undefined) return undefined;
    if (!format.binaryScores || !format.quicklists) return undefined;
    return new KernelEncoder(options);
  }

  /** Takes a block of lines. False: it is too large, or not what the kernel knows. */
  open(raw: Uint8Array, nowMs: number): boolean {
    const { inputAt, inputBytes } = this.#exports;
    if (raw.length > inputBytes.value || raw[raw.length - 1] !== NEWLINE) return false;
    if (!Number.isSafeInteger(nowMs)) return false;
    this.#memory.set(raw, inputAt.value);
    const db = this.#exports.begin(raw.length, nowMs);
    return db >= 0 && (this.#databases === undefined || this.#databases.has(db));
  }

  /**
   * Goes on from `position`. 'other': the line there is not the kernel's. 'full': call again. What
   * the last run gave is in the members below, valid until the next.
   */
  run(): (typeof VERDICTS)[number] {
    const verdict = VERDICTS[this.#exports.run()];
    return verdict === 'full' && this.#exports.commands.value === 0 ? 'other' : verdict;
  }

  /** Where in the block the next line begins. */
  get position(): number {
    return this.#exports.position.value;
  }

  set position(at: number) {
    this.#exports.position.value = at;
  }

  /** The commands behind one another. */
  get commands(): Uint8Array {
    const { outputAt, outputSize } = this.#exports;
    return this.#memory.subarray(outputAt.value, outputAt.value + outputSize.value);
  }

  /** Where each of them ends. */
  get ends(): Uint32Array {
    return this.#ends.subarray(0, this.#exports.commands.value);
  }

  get selected(): number {
    return this.#exports.selected.value;
  }

  /** Of the selected keys: not written because their time is over. */
  get expired(): number {
    return this.#exports.expired.value;
  }
}
