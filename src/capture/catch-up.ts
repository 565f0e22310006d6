const SHORTEST_MS = 2000;
const LONGEST_MS = 60_000;
const SLOWER = 4;
const SLOW_BYTES = 64 << 10;

/**
 * Guesses when a new link has delivered what its source kept for us, where nobody tells how far the
 * source is: what was kept comes faster than what is made. To be asked each second.
 */
export class CatchUp {
  #offset: number | null = null;
  #mostBytes = 0;

  /** Whether it is over, with the link at `offset` and `elapsedMs` old. */
  look(offset: number, elapsedMs: number): boolean {
    const bytes = offset - (this.#offset ?? offset);
    this.#offset = offset;
    this.#mostBytes = Math.max(this.#mostBytes, bytes);
    if (elapsedMs < SHORTEST_MS) return false;
    return bytes < SLOW_BYTES || bytes * SLOWER < this.#mostBytes || elapsedMs > LONGEST_MS;
  }
}
