/** A deadline that moves while it runs: `begin` sets it, `restart` grants the whole time anew. */
export class Watchdog {
  #timer: NodeJS.Timeout | null = null;

  begin(timeoutMs: number, onExpired: () => void): void {
    this.end();
    this.#timer = setTimeout(onExpired, timeoutMs);
  }

  restart(): void {
    this.#timer?.refresh();
  }

  end(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
