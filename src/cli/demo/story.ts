import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CodedError } from '../../base/index.ts';
import { connect, parseAddress, type RedisConnection } from '../../redis/index.ts';
import { replyText } from '../../resp/index.ts';
import { formatCount } from '../output/format.ts';
import type { Terminal } from '../terminal.ts';
import {
  type ChildOptions,
  formatCommand,
  type RunningChild,
  runTidemark,
  startTidemark,
} from './child-command.ts';
import type { DemoServer } from './demo-server.ts';
import { LiveWriter } from './live-writer.ts';
import { prove, readDigests, type ServerDigests } from './proof.ts';
import { fillShop } from './shop-data.ts';

export type StoryFacts = {
  readonly server: string;
  /** Keys that the proof looked at. */
  readonly keys: number;
  /** Writes that the application had confirmed in the end. */
  readonly writes: number;
  /** Of them, after FLUSHALL. */
  readonly writesAfter: number;
  readonly missing: number;
  readonly harmed: number;
  /** From the first write that is lost to FLUSHALL; 0 when none is lost. */
  readonly rpoSeconds: number;
  /** From FLUSHALL until everything was back, finding the moment included. */
  readonly recoverySeconds: number;
};

const SEED = 20_261_122;
const SEGMENT_SECONDS = 2;
const DEADLINE_MS = 30_000;
const POLL_MS = 100;
/** What is written before the accident, besides the shop. */
const WRITES_BEFORE = 3_000;
/** How long the application goes on after the restore has begun, at least. */
const WRITES_AFTER = 1_000;

/** What happens in the demo, step by step, told through `say`. */
export class Story {
  readonly #terminal: Terminal;
  readonly #server: DemoServer;
  readonly #conn: RedisConnection;
  readonly #env: Readonly<Record<string, string>>;
  readonly #say: (text: string) => void;
  #step = 0;

  constructor(
    terminal: Terminal,
    server: DemoServer,
    repository: string,
    say: (text: string) => void,
  ) {
    this.#terminal = terminal;
    this.#server = server;
    this.#conn = server.connection;
    const state = join(dirname(repository), 'state');
    this.#env = { TIDEMARK_REPO: repository, XDG_STATE_HOME: state, NO_COLOR: '1' };
    this.#say = say;
  }

  async tell(): Promise<StoryFacts> {
    const before = await this.#open();
    const { clock } = this.#terminal;
    const writer = new LiveWriter(await this.#connect(), () => clock.monotonic());
    const capture = this.#startCapture();
    try {
      return await this.#suffer(before, writer, capture);
    } finally {
      capture.stop();
      await Promise.allSettled([writer.stop(), capture.finished]);
    }
  }

  async #suffer(
    before: ServerDigests,
    writer: LiveWriter,
    capture: RunningChild,
  ): Promise<StoryFacts> {
    const { url, path, name } = this.#server;
    const { clock } = this.#terminal;
    await this.#untilRecorded(capture);
    await this.#until('some writes', async () => writer.writes > WRITES_BEFORE);

    this.#chapter('An accident, in the middle of everything');
    const flushedAtMs = clock.monotonic();
    await this.#send('FLUSHALL');
    const writesBefore = writer.writes;

    this.#chapter('Find the moment');
    await this.#until('FLUSHALL in the repository', async () =>
      (await this.#ask('log', '--marks', '--json')).includes('FLUSHALL'),
    );
    await this.#run('log', '--marks');

    this.#chapter('Bring back what was there just before; the application goes on meanwhile');
    const instant = ['--before', 'last:FLUSHALL', '--to', url, '--conflict', 'skip'];
    await this.#run('restore', ...instant, '--sandbox-server', path);
    const recoverySeconds = (clock.monotonic() - flushedAtMs) / 1000;
    await this.#until('writes after it', async () => writer.writes > writesBefore + WRITES_AFTER);
    await writer.stop();

    this.#chapter('Prove it: ask the server, key by key, and the application');
    const proof = await prove(this.#conn, this.#server.major, before, writer.ledger);
    const { missing, harmed, lostSinceMs } = proof;
    const facts: StoryFacts = {
      server: name,
      keys: before.size + writer.ledger.size,
      writes: writer.writes,
      writesAfter: writer.writes - writesBefore,
      missing,
      harmed,
      rpoSeconds: lostSinceMs === null ? 0 : Math.max(0, flushedAtMs - lostSinceMs) / 1000,
      recoverySeconds,
    };
    this.#report(facts, before.size, writer.ledger.size);

    this.#chapter('Stop the capture: everything that it received is stored');
    capture.stop();
    const { status } = await capture.finished;
    if (status !== 0) throw failed('capture', status);
    await this.#run('list');
    return facts;
  }

  async #open(): Promise<ServerDigests> {
    const { name, url, major } = this.#server;
    this.#chapter('A small shop');
    this.#say(`Started ${name} at ${url}, only for this demo. Filling it …`);
    const nowMs = this.#terminal.clock.now();
    await fillShop(this.#conn, { seed: SEED, nowMs, functions: major >= 7 });
    const digests = await readDigests(this.#conn, major);
    this.#say(
      `${formatCount(digests.size)} users, carts, sessions, products, counters, sets, queues, a ` +
        'leaderboard and a stream\nwith a consumer group, in two databases. The digest of each, ' +
        'and its expiry, as the server itself\ntells them, are noted for the end.',
    );
    return digests;
  }

  #startCapture(): RunningChild {
    this.#chapter('Record every write, beside an application that never stops writing');
    this.#say(`$ export TIDEMARK_REPO=${this.#env['TIDEMARK_REPO']}`);
    const often = ['--segment-time', `${SEGMENT_SECONDS}s`];
    const args = ['capture', this.#server.url, '--source', 'shop', ...often];
    this.#say(`$ ${formatCommand(args)} &`);
    return startTidemark(this.#terminal, args, this.#options(this.#show));
  }

  /** From here on nothing is lost: there is a first full backup, and every write after it. */
  async #untilRecorded({ finished }: RunningChild): Promise<void> {
    let hasEnded = false;
    const onEnd = (): void => {
      hasEnded = true;
    };
    finished.then(onEnd, onEnd);
    await this.#until('the first backup', async () => {
      if (hasEnded) throw failed('capture', (await finished).status);
      return countBackups(await this.#ask('list', '--json').catch(() => '{}')) > 0;
    });
  }

  #report(facts: StoryFacts, shop: number, visits: number): void {
    const line = (isGood: boolean, text: string): void =>
      this.#say(`  ${isGood ? 'good' : 'BAD '}  ${text}`);
    const { missing, harmed } = facts;
    line(
      missing === 0,
      `${formatCount(missing)} of ${formatCount(shop)} keys of the shop missing or different`,
    );
    line(
      harmed === 0,
      `${formatCount(harmed)} of ${formatCount(visits)} keys of the application without the value ` +
        `that it wrote last,\n        ${formatCount(facts.writesAfter)} of its ` +
        `${formatCount(facts.writes)} writes came after FLUSHALL`,
    );
  }

  #chapter(title: string): void {
    this.#say(`\n${++this.#step}. ${title}`);
  }

  readonly #show = (line: string): void => this.#say(`  ${line}`);

  /** Shows a command and its output; a failure of it ends the demo. */
  async #run(...args: string[]): Promise<void> {
    this.#say(`$ ${formatCommand(args)}`);
    await this.#call(args, this.#show);
  }

  async #ask(...args: string[]): Promise<string> {
    return await this.#call(args, () => {});
  }

  async #call(args: readonly string[], onLine: (line: string) => void): Promise<string> {
    const { status, stdout } = await runTidemark(this.#terminal, args, this.#options(onLine));
    if (status === 0) return stdout;
    throw failed(args[0], status);
  }

  #options(onLine: (line: string) => void): ChildOptions {
    const onProcess = (pid: number, isRunning: boolean): void =>
      this.#server.guardChild(pid, isRunning);
    return { env: this.#env, onLine, onProcess };
  }

  /** Shows a command to the server and its reply. */
  async #send(...args: string[]): Promise<void> {
    const reply = replyText(await this.#conn.command(args));
    this.#say(`redis> ${args.join(' ')}\n  ${reply}`);
  }

  async #until(what: string, isSo: () => Promise<boolean>): Promise<void> {
    const { clock, signal } = this.#terminal;
    const deadline = clock.monotonic() + DEADLINE_MS;
    while (!(await isSo())) {
      if (clock.monotonic() > deadline) {
        throw new CodedError('COMMAND_FAILED', `Cannot go on: waited in vain for ${what}`);
      }
      await delay(POLL_MS, undefined, { signal });
    }
  }

  async #connect(): Promise<RedisConnection> {
    const { signal } = this.#terminal;
    return await connect(parseAddress(this.#server.url), { signal, commandTimeoutMs: 30_000 });
  }
}

function countBackups(list: string): number {
  const { sources = [] } = JSON.parse(list) as {
    readonly sources?: readonly { readonly backups: readonly unknown[] }[];
  };
  return sources.reduce((sum, { backups }) => sum + backups.length, 0);
}

function failed(command: string | undefined, status: number): CodedError {
  return new CodedError('COMMAND_FAILED', `Cannot go on: ${command} ended with ${status}`, {
    hint: 'What it said stands above; please report it',
  });
}
