import { isCoded } from '../../base/index.ts';
import type { CaptureStatus } from '../../capture/index.ts';
import type { Invocation } from '../invocation.ts';
import { formatAmount, formatBytes, formatCount, formatDuration } from '../output/format.ts';
import { OutputClosed } from '../output/printer.ts';
import { ProgressMeter } from '../output/progress-meter.ts';

/** Not on a terminal: how often a line says how it goes. */
const LINE_MS = 30_000;
/** Lines that wait for a reader who does not read; further ones are left out. */
const MOST_UNREAD = 200;

/**
 * Shows how captures go: one moving line on a terminal, a line every thirty seconds elsewhere, each
 * status as a JSON document of one line on standard output with `--json`.
 */
export class CaptureDisplay {
  readonly #invocation: Invocation;
  readonly #meter: ProgressMeter;
  readonly #isTerminal: boolean;
  readonly #latest = new Map<string, CaptureStatus>();
  #printing: Promise<void> = Promise.resolve();
  #lineAtMs = Number.NEGATIVE_INFINITY;
  #unread = 0;

  constructor(invocation: Invocation) {
    this.#invocation = invocation;
    const { stderr } = invocation.terminal;
    this.#isTerminal = stderr.isTTY === true;
    this.#meter = new ProgressMeter(stderr, invocation.quiet);
  }

  status(status: CaptureStatus): void {
    const id = `${status.source.id}/${status.shard}`;
    const isNews = this.#latest.get(id)?.phase !== status.phase;
    this.#latest.set(id, status);
    this.#print({ kind: 'status', ...status });
    if (this.#isTerminal) return this.#meter.show(() => this.#line());
    const now = this.#invocation.terminal.clock.monotonic();
    if (this.#invocation.json || (!isNews && now - this.#lineAtMs < LINE_MS)) return;
    this.#lineAtMs = now;
    this.#meter.note(isNews && this.#latest.size > 1 ? describe(status) : this.#line());
  }

  notice(text: string, { source }: CaptureStatus): void {
    this.#meter.note(`note: ${source.name}: ${text}`);
    this.#print({ kind: 'notice', source, text });
  }

  warning(text: string): void {
    this.#meter.note(`warning: ${text}`);
    this.#print({ kind: 'warning', text });
  }

  async end(shards: readonly CaptureStatus[]): Promise<void> {
    this.#meter.end();
    this.#print({ kind: 'end', shards });
    await this.#printing;
    if (this.#invocation.json) return;
    for (const status of shards) {
      const { source, text, segments, commands, gaps } = status;
      await this.#invocation.printer.line(
        `${source.name}: ${formatAmount(commands, 'command')} recorded, ` +
          `${formatAmount(segments, 'segment')} stored, ${formatAmount(gaps.length, 'gap')}. ${text}`,
      );
    }
  }

  close(): void {
    this.#meter.end();
  }

  #line(): string {
    const all = [...this.#latest.values()];
    const [only] = all;
    if (all.length === 1 && only !== undefined) return describe(only);
    const recording = all.filter(({ phase }) => phase === 'recording').length;
    const spool = all.reduce((sum, { spoolBytes }) => sum + spoolBytes, 0);
    const others = all
      .filter(({ phase }) => phase !== 'recording')
      .map(({ source, phase }) => `${source.name} ${phase}`);
    return [
      `${recording} of ${all.length} recording`,
      `spool ${formatBytes(spool)}`,
      ...others.slice(0, 5),
    ].join(' · ');
  }

  /** One line of JSON, in order; a reader who has gone away does not end the recording. */
  #print(document: object): void {
    if (!this.#invocation.json || this.#unread >= MOST_UNREAD) return;
    this.#unread++;
    const before = this.#printing;
    this.#printing = this.#write(before, JSON.stringify(document));
  }

  async #write(before: Promise<void>, line: string): Promise<void> {
    await before;
    try {
      await this.#invocation.printer.line(line);
    } catch (error) {
      if (!(error instanceof OutputClosed) && !isCoded(error)) throw error;
    }
    this.#unread--;
  }
}

function describe(status: CaptureStatus): string {
  const { source, phase, text, commands, lagBytes, updatedAtMs, storedUntilMs } = status;
  if (phase !== 'recording') return `${source.name}: ${text}`;
  const parts = [
    `${source.name}: recording`,
    formatAmount(commands, 'command'),
    `offset ${formatCount(status.receivedOffset ?? 0)}`,
    ...(lagBytes === null ? [] : [`lag ${formatBytes(lagBytes)}`]),
    `spool ${formatBytes(status.spoolBytes)}`,
    ...(storedUntilMs === null
      ? []
      : [`stored up to ${formatDuration(updatedAtMs - storedUntilMs)} ago`]),
    ...(status.full.isRunning ? ['full backup running'] : []),
    ...(status.storeFailure === null ? [] : ['REPOSITORY FAILS']),
  ];
  return parts.join(' · ');
}
