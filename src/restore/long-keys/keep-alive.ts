import { CodedError } from '../../base/index.ts';

/** A key under construction lives so long after its last chunk: what a crash leaves vanishes. */
export const KEEP_ALIVE_MS = 3_600_000;

/** So often that is renewed while no chunk is sent. */
const RENEW_MS = KEEP_ALIVE_MS / 6;

/** Keeps a key under construction alive while the restore is slow or paused. */
export class KeepAlive {
  readonly #timer: NodeJS.Timeout;
  #renewedAtMs = Date.now();

  constructor(renew: () => Promise<unknown>) {
    this.#timer = setInterval(() => {
      if (this.#isLate) return;
      this.#renewedAtMs = Date.now();
      // A link that is gone is found by the next chunk.
      renew().catch(() => {});
    }, RENEW_MS);
    this.#timer.unref();
  }

  /**
   * To be called with every chunk. Throws TARGET_LOST when this process slept so long that the
   * target may have removed what is built so far.
   */
  check(): void {
    if (this.#isLate) {
      throw new CodedError('TARGET_LOST', 'A key under construction was not renewed in time');
    }
    this.#renewedAtMs = Date.now();
  }

  end(): void {
    clearInterval(this.#timer);
  }

  get #isLate(): boolean {
    return Date.now() - this.#renewedAtMs > KEEP_ALIVE_MS / 2;
  }
}
