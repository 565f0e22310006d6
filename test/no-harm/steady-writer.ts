import { setTimeout as delay } from 'node:timers/promises';
import { RespPipe } from '../support/resp-pipe.ts';

const KEY = 'no-harm:count';

/**
 * Increments one counter for ever, one command at a time, until the server no longer takes it. What
 * was answered must be found again at whoever is the master afterwards.
 */
export class SteadyWriter {
  /** The last value that the server answered. */
  answered = 0;
  /** The longest wait for an answer so far. */
  longestMs = 0;
  /** Why it ended by itself. */
  refusal: string | undefined;
  readonly #pipe: RespPipe;
  readonly #running: Promise<void>;
  #stopping = false;

  private constructor(pipe: RespPipe) {
    this.#pipe = pipe;
    this.#running = this.#run();
  }

  static async start(url: string): Promise<SteadyWriter> {
    return new SteadyWriter(await RespPipe.open(url));
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
    this.#pipe.close();
  }

  async #run(): Promise<void> {
    try {
      while (!this.#stopping) {
        const begunAt = performance.now();
        this.answered = Number(await this.#pipe.call('INCR', KEY));
        this.longestMs = Math.max(this.longestMs, performance.now() - begunAt);
        await delay(1);
      }
    } catch (error) {
      this.refusal = (error as Error).message;
    }
  }
}

/** What a server holds of the counter. */
export async function readCount(url: string): Promise<number> {
  const pipe = await RespPipe.open(url);
  const value = (await pipe.call('GET', KEY)) as Buffer | null;
  pipe.close();
  return Number(value?.toString() ?? 0);
}
