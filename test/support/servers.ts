import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { type Certificates, createCertificates } from './certificates.ts';
import { freePort } from './ports.ts';
import {
  findServer,
  isAtLeast,
  type ServerBinary,
  type ServerName,
  whyMissing,
} from './server-binaries.ts';

/**
 * Real servers for tests. Each listens on 127.0.0.1 on a free port, lives in a temporary folder
 * that `stop()` removes, and dies with the process that started it.
 */

export {
  availableServers,
  findServer,
  isAtLeast,
  SERVER_NAMES,
  type ServerBinary,
  type ServerFamily,
  type ServerName,
  whyMissing,
} from './server-binaries.ts';

export type StartOptions = {
  /**
   * Directives of the configuration file, as they stand there after their name (`save: '900 1'`,
   * an empty text becomes `""`); an array repeats the directive. They win over the defaults below.
   */
  readonly config?: Readonly<Record<string, string | readonly string[]>>;
  /** Listen with TLS only. `tls-auth-clients: 'yes'` in `config` demands client certificates. */
  readonly tls?: boolean;
  /** Listen on a unix socket as well. */
  readonly unixSocket?: boolean;
  /** Contents of an ACL file; the server is ready even if it forbids PING to the default user. */
  readonly aclFile?: string;
  /** A folder of the caller's, kept by `stop()`; otherwise a temporary one. */
  readonly dir?: string;
  /** Milliseconds until it must answer PING; 20,000 if absent. */
  readonly readyTimeoutMs?: number;
};

const BIND_ATTEMPTS = 5;
const POLL_MS = 10;

const running = new Set<ChildProcess>();
let pdeathsig: readonly string[] | undefined;

/** Starts a server and resolves once it answers PING. Throws with its log when it does not. */
export async function startServer(
  which: ServerBinary | ServerName,
  options: StartOptions = {},
): Promise<RunningServer> {
  const binary = typeof which === 'string' ? findServer(which) : which;
  if (binary === undefined) throw new Error(`not run: ${whyMissing(which as ServerName)}`);
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), 'tidemark-server-'));
  const tls = options.tls === true ? await createCertificates(dir) : undefined;
  for (let attempt = 1; ; attempt++) {
    const server = new RunningServer(binary, options, dir, await freePort(), tls);
    try {
      await server.start();
      return server;
    } catch (error) {
      const taken = /bind: Address already in use|Failed listening on port/.test(server.log());
      if (taken && attempt < BIND_ATTEMPTS) continue;
      await server.stop();
      throw error;
    }
  }
}

/** Marks a test as skipped, visibly not run, because something that it needs is missing here. */
export function notRun(t: TestContext, name: string, why: string): void {
  t.skip(`not run: ${name}: ${why}`);
}

export class RunningServer {
  readonly host = '127.0.0.1';
  readonly binary: ServerBinary;
  readonly port: number;
  /** `redis://127.0.0.1:port`, with `rediss` under TLS. */
  readonly url: string;
  readonly dir: string;
  readonly socketPath: string | undefined;
  readonly tls: Certificates | undefined;
  readonly #options: StartOptions;
  readonly #logPath: string;
  #child: ChildProcess | undefined;

  constructor(
    binary: ServerBinary,
    options: StartOptions,
    dir: string,
    port: number,
    tls: Certificates | undefined,
  ) {
    this.binary = binary;
    this.port = port;
    this.dir = dir;
    this.tls = tls;
    this.url = `${tls === undefined ? 'redis' : 'rediss'}://${this.host}:${port}`;
    this.socketPath = options.unixSocket === true ? join(dir, 'server.sock') : undefined;
    this.#options = options;
    this.#logPath = join(dir, 'server.log');
  }

  /** The process id of the server. */
  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error('The server is not running');
    return pid;
  }

  /** Everything that the server printed since its first start. */
  log(): string {
    try {
      return readFileSync(this.#logPath, 'utf8');
    } catch {
      return '';
    }
  }

  /** Starts it again after `kill`, on the same port and folder; resolves when it answers PING. */
  async start(): Promise<void> {
    if (this.#child !== undefined) throw new Error('The server is running already');
    const configPath = join(this.dir, 'server.conf');
    writeFileSync(configPath, this.#configText());
    const command = this.binary.run([configPath]);
    const log = openSync(this.#logPath, 'a');
    const [file = command.file, ...args] = [...dieWithParent(), command.file, ...command.args];
    // A group of its own, so that killing it takes its saving children along.
    const child = spawn(file, args, {
      cwd: this.dir,
      stdio: ['ignore', log, log],
      detached: true,
    });
    closeSync(log);
    this.#child = child;
    track(child);
    await this.#waitUntilReady(child);
  }

  /** Ends it and everything that it forked, waits for its exit, and keeps its folder. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    if (!hasExited(child)) {
      const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      if (signal === 'SIGKILL') killGroup(child);
      else child.kill(signal);
      await exited;
    }
    killGroup(child);
  }

  async restart(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.kill(signal);
    await this.start();
  }

  /** Ends it at once and removes its folder unless that was the caller's. May be called twice. */
  async stop(): Promise<void> {
    await this.kill();
    if (this.#options.dir === undefined) rmSync(this.dir, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #configText(): string {
    const directives = new Map<string, string | readonly string[]>([
      ['bind', this.host],
      ['port', String(this.port)],
      ['dir', this.dir],
      ['save', ''],
      ['repl-diskless-sync-delay', '0'],
    ]);
    if (isAtLeast(this.binary, 7)) {
      directives.set('enable-debug-command', 'local');
      directives.set('enable-module-command', 'local');
    }
    if (this.socketPath !== undefined) directives.set('unixsocket', this.socketPath);
    if (this.tls !== undefined) {
      directives.set('port', '0');
      directives.set('tls-port', String(this.port));
      directives.set('tls-ca-cert-file', this.tls.ca);
      directives.set('tls-cert-file', this.tls.cert);
      directives.set('tls-key-file', this.tls.key);
      directives.set('tls-auth-clients', 'optional');
    }
    if (this.#options.aclFile !== undefined) {
      const path = join(this.dir, 'users.acl');
      writeFileSync(path, this.#options.aclFile);
      directives.set('aclfile', path);
    }
    for (const [name, value] of Object.entries(this.#options.config ?? {})) {
      directives.set(name, value);
    }
    const lines = [...directives].flatMap(([name, value]) =>
      (typeof value === 'string' ? [value] : value).map((text) => `${name} ${text || '""'}\n`),
    );
    return lines.join('');
  }

  async #waitUntilReady(child: ChildProcess): Promise<void> {
    const timeoutMs = this.#options.readyTimeoutMs ?? 20_000;
    const deadline = Date.now() + timeoutMs;
    let failure: Error | undefined;
    child.once('error', (error) => {
      failure = error;
    });
    for (;;) {
      if (await this.#answersPing(child.pid)) return;
      const late = Date.now() > deadline;
      if (failure === undefined && !hasExited(child) && !late) {
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
        continue;
      }
      const what = late ? `did not answer PING within ${timeoutMs} ms` : 'ended at its start';
      const name = `${this.binary.name} on port ${this.port}`;
      throw new Error(`${name} ${what}. Its log:\n${failure?.message ?? this.log()}`);
    }
  }

  /** Looks at the process id too: another server may have taken the port first. */
  #answersPing(pid: number | undefined): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = this.#dial();
      const settle = (answer: boolean): void => {
        socket.destroy();
        resolve(answer);
      };
      socket.setTimeout(2_000, () => settle(false));
      socket.once('error', () => settle(false));
      socket.once('close', () => settle(false));
      let said = '';
      socket.on('data', (reply) => {
        said += String(reply);
        const answerer = /^process_id:(\d+)\r/m.exec(said)?.[1];
        if (/^-(NOAUTH|NOPERM)/m.test(said)) settle(true);
        else if (answerer !== undefined) settle(said.startsWith('+PONG') && answerer === `${pid}`);
      });
      socket.write('PING\r\nINFO server\r\n');
    });
  }

  #dial(): Socket {
    if (this.#options.config?.['port'] === '0' && this.socketPath !== undefined) {
      return connectTcp({ path: this.socketPath });
    }
    if (this.tls === undefined) return connectTcp({ host: this.host, port: this.port });
    return connectTls({
      host: this.host,
      port: this.port,
      ca: readFileSync(this.tls.ca),
      cert: readFileSync(this.tls.clientCert),
      key: readFileSync(this.tls.clientKey),
    });
  }
}

/** A wrapper that has the kernel kill the server when the thread that started it is gone. */
function dieWithParent(): readonly string[] {
  if (pdeathsig === undefined) {
    const tried = spawnSync('setpriv', ['--pdeathsig', 'KILL', 'true']);
    pdeathsig = tried.status === 0 ? ['setpriv', '--pdeathsig', 'KILL'] : [];
  }
  return pdeathsig;
}

function track(child: ChildProcess): void {
  if (running.size === 0) process.once('exit', killAll);
  running.add(child);
  child.once('exit', () => {
    running.delete(child);
    if (running.size === 0) process.removeListener('exit', killAll);
  });
}

function killAll(): void {
  for (const child of running) killGroup(child);
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The group is gone already.
  }
}

function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
}
