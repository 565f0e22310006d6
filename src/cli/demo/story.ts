import { dirname, join } from 'node:path';
import { CodedError } from '../../base/index.ts';
import type { RedisConnection } from '../../redis/index.ts';
import { replyText } from '../../resp/index.ts';
import { formatAmount, formatCount } from '../output/format.ts';
import type { Terminal } from '../terminal.ts';
import { formatCommand, runTidemark } from './child-command.ts';
import type { DemoServer } from './demo-server.ts';
import { type Fingerprint, isSame, takeFingerprint } from './fingerprint.ts';
import { fillShop } from './shop-data.ts';

export type StoryFacts = {
  readonly server: string;
  readonly keys: number;
  readonly backup: string;
  /** The server's own digest was equal after the restore of everything. */
  readonly equalAfterRestore: boolean;
  /** … and after the second restore, which changed nothing. */
  readonly unchanged: number;
  /** … and after the restore of one key that had been spoilt. */
  readonly equalAfterOneKey: boolean;
};

const SEED = 20_261_122;
/** Entries are longer than lines. */
const MAX_COLUMNS = 110;
const SPOILT = 'user:42';

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
    const { url } = this.#server;
    const before = await this.#open();
    const keys = before.keys.reduce((sum, count) => sum + count, 0);

    this.#chapter('Back it up while it runs');
    this.#say(`$ export TIDEMARK_REPO=${this.#env['TIDEMARK_REPO']}`);
    await this.#run('backup', url, '--source', 'shop');
    await this.#run('list');

    this.#chapter('Look into the backup; no server is needed for that');
    await this.#run('cat', 'latest', '--key', SPOILT, '--key', 'cart:7', '--match', 'thumbnail:*');

    this.#chapter('An accident');
    await this.#send('FLUSHALL');
    if (this.#server.major >= 7) await this.#send('FUNCTION', 'FLUSH');
    await this.#send('DBSIZE');

    this.#chapter('Restore everything');
    await this.#run('restore', 'latest', '--to', url);
    const equalAfterRestore = await this.#compare(before);

    this.#chapter('Restore again: what is equal is left alone');
    const again = await this.#run('restore', 'latest', '--to', url, '--json');
    const unchanged = readUnchanged(again);
    this.#say(`  ${formatAmount(unchanged, 'key')} of ${formatCount(keys)} unchanged`);

    this.#chapter('Somebody spoils one key; bring back just that one');
    await this.#send('HSET', SPOILT, 'email', 'oops', 'points', '-1');
    const overwrite = ['--conflict', 'overwrite', '--yes'];
    await this.#run('restore', 'latest', '--to', url, '--key', SPOILT, ...overwrite);
    const equalAfterOneKey = await this.#compare(before);

    this.#chapter('Prove that every byte of the backup can be read');
    await this.#run('verify');
    const list = await this.#ask('list', '--json');
    return {
      server: this.#server.name,
      keys,
      backup: readBackupId(list),
      equalAfterRestore,
      unchanged,
      equalAfterOneKey,
    };
  }

  async #open(): Promise<Fingerprint> {
    const { name, url, major } = this.#server;
    this.#chapter('A small shop');
    this.#say(`Started ${name} at ${url}, only for this demo. Filling it …`);
    const nowMs = this.#terminal.clock.now();
    await fillShop(this.#conn, { seed: SEED, nowMs, functions: major >= 7 });
    const print = await takeFingerprint(this.#conn, major);
    const [shop = 0, pages = 0] = print.keys;
    this.#say(
      `${formatCount(shop)} keys in database 0 (users, carts, sessions, products, an order stream ` +
        `with a consumer\ngroup, a leaderboard, tags, queues), ${formatCount(pages)} page counters ` +
        `in database 1; ${formatCount(print.expiring)} of them expire.`,
    );
    this.#say(`The server's own DEBUG DIGEST: ${print.digest}`);
    return print;
  }

  #chapter(title: string): void {
    this.#say(`\n${++this.#step}. ${title}`);
  }

  /** Shows a command and its output; a failure of it ends the demo. */
  async #run(...args: string[]): Promise<string> {
    this.#say(`$ ${formatCommand(args)}`);
    const isDocument = args.includes('--json');
    const show = (line: string): void => {
      if (!isDocument) this.#say(`  ${args[0] === 'cat' ? cut(line) : line}`);
    };
    return await this.#call(args, show);
  }

  async #ask(...args: string[]): Promise<string> {
    return await this.#call(args, () => {});
  }

  async #call(args: readonly string[], onLine: (line: string) => void): Promise<string> {
    const { status, stdout } = await runTidemark(this.#terminal, args, this.#env, onLine, (pid) =>
      this.#server.guardChild(pid),
    );
    if (status === 0) return stdout;
    throw new CodedError('COMMAND_FAILED', `Cannot go on: ${args[0]} ended with ${status}`, {
      hint: 'What it said stands above; please report it',
    });
  }

  /** Shows a command to the server and its reply. */
  async #send(...args: string[]): Promise<void> {
    const reply = replyText(await this.#conn.command(args));
    this.#say(`redis> ${args.join(' ')}\n  ${reply}`);
  }

  async #compare(before: Fingerprint): Promise<boolean> {
    const after = await takeFingerprint(this.#conn, this.#server.major);
    this.#say(`Asking the server: is everything as it was before?`);
    const check = (what: string, same: boolean): void =>
      this.#say(`  ${same ? 'equal    ' : 'DIFFERENT'}  ${what}`);
    check(`DEBUG DIGEST ${after.digest}`, after.digest === before.digest);
    check(`DBSIZE ${after.keys.map(formatCount).join(' and ')}`, isEqual(after.keys, before.keys));
    check(
      `the expiry of each of ${formatCount(after.expiring)} keys that have one`,
      after.expiries === before.expiries,
    );
    const functions = this.#server.major >= 7 ? ' and function libraries' : '';
    check(`pending entries of the consumer group${functions}`, after.rest === before.rest);
    return isSame(before, after);
  }
}

function isEqual(a: readonly number[], b: readonly number[]): boolean {
  return a.join() === b.join();
}

function cut(line: string): string {
  return line.length <= MAX_COLUMNS ? line : `${line.slice(0, MAX_COLUMNS - 1)}…`;
}

function readUnchanged(document: string): number {
  return (JSON.parse(document) as { totals: { unchanged: number } }).totals.unchanged;
}

function readBackupId(document: string): string {
  const list = JSON.parse(document) as { sources: { backups: { id: string }[] }[] };
  return list.sources[0]?.backups.at(-1)?.id ?? '';
}
