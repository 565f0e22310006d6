import type { OutputStream } from '../terminal.ts';
import { printable } from './format.ts';

const LINE_INTERVAL_MS = 150;
const LOG_INTERVAL_MS = 5_000;

/**
 * Says on standard error how far a command is: on a terminal one line that is drawn over, elsewhere
 * a line every five seconds, nothing when quiet. Whoever begins one ends it, whatever happens.
 */
export class ProgressMeter {
  /** In front of whatever is shown. */
  prefix: () => string = () => '';
  readonly #stream: OutputStream;
  readonly #mode: 'line' | 'log' | 'off';
  #render: (() => string) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #drawn = false;
  #last = '';

  constructor(stream: OutputStream, quiet: boolean) {
    this.#stream = stream;
    this.#mode = quiet ? 'off' : stream.isTTY === true ? 'line' : 'log';
  }

  /** Replaces what is shown; `render` is asked when it is time to draw. */
  show(render: () => string): void {
    this.#render = render;
    if (this.#mode === 'off' || this.#timer !== undefined) return;
    const interval = this.#mode === 'line' ? LINE_INTERVAL_MS : LOG_INTERVAL_MS;
    this.#timer = setInterval(() => this.draw(), interval).unref();
    if (this.#mode === 'line') this.draw();
  }

  /** Draws now; the timer does it otherwise. */
  draw(): void {
    if (this.#render === undefined || this.#mode === 'off') return;
    const text = printable(this.prefix() + this.#render());
    if (this.#mode === 'log') {
      if (text !== this.#last) this.#stream.write(`${text}\n`);
      this.#last = text;
      return;
    }
    // A terminal that does not know its width says 0.
    const columns = this.#stream.columns || 80;
    this.#stream.write(`\r${text.slice(0, Math.max(1, columns - 1))}\u001b[K`);
    this.#drawn = true;
  }

  /** A line that stays, above the one that moves. Off when quiet. */
  note(text: string): void {
    if (this.#mode === 'off') return;
    this.clear();
    this.#stream.write(`${printable(text)}\n`);
    if (this.#mode === 'line') this.draw();
  }

  /** Takes the moving line away. Idempotent. */
  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#render = undefined;
    this.clear();
  }

  /** Makes room for other output on the terminal; the line comes back when next drawn. */
  clear(): void {
    if (this.#drawn) this.#stream.write('\r\u001b[K');
    this.#drawn = false;
  }
}
