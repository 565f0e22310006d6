import type { BackupProgress, BackupReport } from '../../backup/index.ts';
import { CodedError, isCoded } from '../../base/index.ts';
import type { EntrySelection } from '../../entries/index.ts';
import { AofSandbox, findSandboxServer, inexact, type SandboxServer } from '../../replay/index.ts';
import type { Repository } from '../../repository/index.ts';
import type { SandboxSettings } from '../fill-sandbox.ts';
import { refusedCommands } from '../replay-judgement.ts';
import { backUpLoaded } from './back-up-loaded.ts';
import { copyAof } from './copy-aof.ts';
import { readAof, type ReadAof } from './read-aof.ts';

export type AofImportRequest = {
  /** Opened for writing. */
  readonly repository: Repository;
  readonly sourceName: string;
  /** An AOF folder, its manifest, or a single AOF file. */
  readonly path: string;
  readonly sandbox: Pick<SandboxSettings, 'server' | 'path' | 'parentFolder' | 'checksMemory'>;
  /** Unix seconds: leave out what comes behind the first annotation that is later. */
  readonly untilSeconds?: number;
  readonly allowInexact?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  readonly adopt?: boolean;
  readonly selection?: EntrySelection;
  readonly workers?: number;
  readonly onProgress?: (progress: BackupProgress) => void;
  readonly onNotice?: (text: string) => void;
  readonly signal?: AbortSignal;
};

export type AofImportReport = BackupReport & {
  readonly aof: {
    readonly path: string;
    /** Names of the files, in order. */
    readonly files: readonly string[];
    readonly commands: number;
    /** Left out at the end of the last file: no whole command. */
    readonly tornBytes: number;
    readonly verbatimScripts: number;
    /** The server that loaded it. */
    readonly server: string;
  };
  /** Something may differ from what the server that wrote it had; only where that was allowed. */
  readonly isInexact: boolean;
};

/** More than anybody has; a SELECT beyond it is told by the server that loads. */
const DATABASES = 4096;

/**
 * Makes a backup of an AOF: a sandbox server loads a copy of it, expires nothing, and is read by
 * the code that backs up any server. The original is only read. Throws what `readAof`, `AofSandbox`
 * and `backUp` throw, SANDBOX_UNAVAILABLE without a server that can load it, REPLAY_INEXACT for
 * what fails while it loads, and for scripts that another major version would run otherwise.
 */
export async function importAof(request: AofImportRequest): Promise<AofImportReport> {
  try {
    return await new AofImport(request).run();
  } catch (error) {
    if (request.signal?.aborted !== true || isCoded(error, 'INTERRUPTED')) throw error;
    throw new CodedError('INTERRUPTED', 'The import was interrupted', { cause: error });
  }
}

class AofImport {
  readonly #request: AofImportRequest;
  readonly #notices: string[] = [];
  #last: BackupProgress = {
    phase: 'connecting',
    text: '',
    receivedBytes: 0,
    expectedBytes: null,
    keys: 0,
    storedBytes: 0,
  };

  constructor(request: AofImportRequest) {
    this.#request = request;
  }

  async run(): Promise<AofImportReport> {
    const { repository } = this.#request;
    const begunAt = repository.clock.monotonic();
    const aof = await this.#read();
    const server = this.#chooseServer(aof);
    const isInexact = this.#judgeScripts(aof, server);
    this.#report({ phase: 'connecting', text: `Loading the AOF into a sandbox (${server.why})` });
    await using sandbox = await this.#load(aof, server);
    const isRefused = this.#judgeRefusals(sandbox, server);
    const report = await this.#backUp(aof, sandbox);
    return {
      ...report,
      durationMs: repository.clock.monotonic() - begunAt,
      notices: [...this.#notices],
      aof: {
        path: aof.parts.path,
        files: aof.files.map(({ part }) => part.name),
        commands: aof.commands,
        tornBytes: aof.tornBytes,
        verbatimScripts: aof.verbatimScripts,
        server: `${server.family} ${server.version}`,
      },
      isInexact: isInexact || isRefused,
    };
  }

  async #read(): Promise<ReadAof> {
    const { path, untilSeconds, signal } = this.#request;
    let bytes = 0;
    const aof = await readAof(path, {
      ...(untilSeconds !== undefined && { untilSeconds }),
      ...(signal && { signal }),
      onProgress: (more) => {
        bytes += more;
        this.#report({ text: 'Looking through the AOF', receivedBytes: bytes });
      },
    });
    if (aof.tornBytes > 0) {
      const what = aof.torn === 'command' ? 'command' : 'transaction';
      this.#notice(
        `The AOF ends within a ${what}: its last ${aof.tornBytes} bytes are left out, ` +
          'as a server does',
      );
    }
    return aof;
  }

  #chooseServer({ server, needsSeven, parts }: ReadAof): SandboxServer {
    const { server: given, path } = this.#request.sandbox;
    const found = findSandboxServer(server, { ...(given !== undefined && { given }), path });
    if (!needsSeven || Number.parseInt(found.version) >= 7) return found;
    throw new CodedError(
      'SANDBOX_UNAVAILABLE',
      `Cannot load ${parts.path} with ${found.family} ${found.version}: it takes 7.0 or later`,
      { hint: 'Name a newer server with --sandbox-server' },
    );
  }

  #judgeScripts({ verbatimScripts, server }: ReadAof, chosen: SandboxServer): boolean {
    if (verbatimScripts === 0) return false;
    const isSameMajor =
      server.version !== null &&
      Number.parseInt(server.version) === Number.parseInt(chosen.version);
    if (isSameMajor) return false;
    const what = `Scripts of the AOF (${verbatimScripts}) `;
    const name = `${chosen.family} ${chosen.version}`;
    if (this.#request.allowInexact !== true) {
      throw new CodedError('REPLAY_INEXACT', `${what}may run otherwise in ${name}`, {
        hint: 'Name a server of the same major version with --sandbox-server, or --allow-inexact',
      });
    }
    this.#notice(`${what}were run by ${name}: what they wrote may differ`);
    return true;
  }

  /** What fails while a server loads an AOF is lost without a word, also after a restart. */
  #judgeRefusals({ failed }: AofSandbox, server: SandboxServer): boolean {
    if (failed.length === 0) return false;
    if (this.#request.allowInexact !== true) throw inexact(server, failed);
    for (const text of refusedCommands(failed)) this.#notice(text);
    return true;
  }

  async #load(aof: ReadAof, server: SandboxServer): Promise<AofSandbox> {
    const { signal, sandbox } = this.#request;
    const parts = aof.files.map(({ part, scan }) => ({ part, wholeBytes: scan.wholeBytes }));
    const { parentFolder, checksMemory = true } = sandbox;
    return await AofSandbox.load(server, {
      prepare: (folder) => copyAof(parts, folder, Number.parseInt(server.version), signal),
      databases: DATABASES,
      ...(checksMemory && { expectedBytes: aof.expectedBytes }),
      ...(parentFolder !== undefined && { parentFolder }),
      ...(signal && { signal }),
      onLoading: (receivedBytes) =>
        this.#report({ text: 'Loading the AOF into a sandbox', receivedBytes }),
    });
  }

  async #backUp(aof: ReadAof, sandbox: AofSandbox): Promise<BackupReport> {
    const { tornBytes, parts, server, atMs } = aof;
    await sandbox.release();
    return await backUpLoaded(sandbox, {
      ...this.#request,
      path: parts.path,
      server,
      atMs,
      ownLabels: tornBytes > 0 ? { 'aof-torn-bytes': `${tornBytes}` } : {},
      onProgress: (progress) => this.#report(progress),
      onNotice: (text) => this.#notice(text),
    });
  }

  #notice(text: string): void {
    this.#notices.push(text);
    this.#request.onNotice?.(text);
  }

  #report(progress: Partial<BackupProgress>): void {
    this.#last = { ...this.#last, ...progress };
    this.#request.onProgress?.(this.#last);
  }
}
