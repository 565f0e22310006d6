import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ExportCounts,
  exportBackup,
  type ExportOutput,
  type ExportReport,
  type ExportRequest,
  type ExportTarget,
  parseExportTarget,
} from '../../src/restore/index.ts';
import type { CommandLine } from '../support/server-binaries.ts';
import { type RunningServer, type ServerBinary, startServer } from '../support/servers.ts';
import type { Scene } from './scene.ts';

/** Keeps what is written, and what became of it. */
export class MemoryOutput implements ExportOutput {
  readonly chunks: Buffer[] = [];
  end: 'open' | 'committed' | 'aborted' = 'open';
  largest = 0;

  async write(bytes: Uint8Array): Promise<void> {
    assert.equal(this.end, 'open');
    this.largest = Math.max(this.largest, bytes.length);
    this.chunks.push(Buffer.from(bytes));
  }

  async commit(): Promise<void> {
    this.end = 'committed';
  }

  async abort(): Promise<void> {
    if (this.end === 'open') this.end = 'aborted';
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }
}

export type Exported = {
  readonly bytes: Buffer;
  readonly report: ExportReport;
  /** Bytes of the longest single write. */
  readonly largest: number;
};

/** Exports into memory, and checks what holds of every report. */
export async function exportScene(
  scene: Pick<Scene, 'repository' | 'manifest'>,
  request: Pick<ExportRequest, 'format'> & Partial<ExportRequest>,
): Promise<Exported> {
  const output = new MemoryOutput();
  const { repository, manifest } = scene;
  const report = await exportBackup({ repository, manifest, output, ...request });
  assert.equal(output.end, 'committed');
  assert.equal(report.bytes, output.bytes.length);
  for (const counts of [report.totals, ...report.databases]) assertBalanced(counts);
  return { bytes: output.bytes, report, largest: output.largest };
}

function assertBalanced(counts: ExportCounts): void {
  const { selected, written, expired, failed, inexact } = counts;
  assert.equal(written + expired + failed, selected, JSON.stringify(counts));
  assert.ok(inexact <= written);
}

/** Exactly the version of a server that can be started here. */
export function targetOf({ family, version }: ServerBinary): ExportTarget {
  return parseExportTarget(`${family}-${version.join('.')}`);
}

/** Starts a server with the RDB as its data, and gives it to `work`. */
export async function withLoaded<T>(
  binary: ServerBinary,
  rdb: Buffer,
  work: (server: RunningServer) => Promise<T>,
): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), 'tidemark-export-'));
  try {
    writeFileSync(join(dir, 'dump.rdb'), rdb);
    const said = await runTool(binary.runTool('check-rdb', [join(dir, 'dump.rdb')]));
    assert.match(said, /RDB looks OK/, said);
    assert.match(said, /Checksum OK/, said);
    await using server = await startServer(binary, { dir, config: { dbfilename: 'dump.rdb' } });
    return await work(server);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

export type Piped = { readonly errors: number; readonly replies: number };

/** Sends commands by `redis-cli --pipe`, as people do, and reads what it says of the replies. */
export async function pipeTo(server: RunningServer, commands: Buffer): Promise<Piped> {
  const args = ['-h', server.host, '-p', String(server.port), '--pipe'];
  const said = await runTool(server.binary.runTool('cli', args), commands);
  const [, errors, replies] = /errors: (\d+), replies: (\d+)/.exec(said) ?? [];
  assert.ok(errors !== undefined && replies !== undefined, said);
  return { errors: Number(errors), replies: Number(replies) };
}

async function runTool({ file, args }: CommandLine, input?: Buffer): Promise<string> {
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString('latin1');
  });
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString('latin1');
  });
  child.stdin.on('error', () => {});
  child.stdin.end(input ?? '');
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => resolve());
  });
  return said;
}
