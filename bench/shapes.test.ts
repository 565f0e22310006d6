import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { openSync, closeSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { digestServer } from '../test/support/live-reader.ts';
import { RespPipe } from '../test/support/resp-pipe.ts';
import { startServer } from '../test/support/servers.ts';
import {
  fillShape,
  generateShape,
  SHAPES,
  shapeKeys,
  type ShapeName,
  writeShapeFile,
} from './shapes.ts';

const SCALES: Record<ShapeName, number> = { S: 0.002, M: 0.005, L: 0.01, X: 0.002 };

describe('shapes', () => {
  for (const shape of Object.keys(SHAPES) as ShapeName[]) {
    test(`${shape} has its keys, the same for the same seed, by socket and by file`, async () => {
      const options = { scale: SCALES[shape], seed: 4 };
      await using server = await startServer('redis-7.0');
      await fillShape(server.url, shape, options);
      const pipe = await RespPipe.open(server.url);
      assert.equal(await pipe.call('DBSIZE'), shapeKeys(shape, options.scale));
      const bySocket = await digestServer(server.url);
      await pipe.call('FLUSHALL');
      pipe.close();
      const dir = mkdtempSync(join(tmpdir(), 'tidemark-shape-'));
      try {
        const path = join(dir, 'commands.resp');
        writeShapeFile(path, shape, options);
        await pipeWithCli(path, server.port);
        assert.equal(await digestServer(server.url), bySocket);
      } finally {
        rmSync(dir, { recursive: true, force: true });
      }
    });
  }

  test('differ by seed', () => {
    const first = (seed: number): string => {
      for (const { bytes } of generateShape('S', { scale: 0.0001, seed })) return String(bytes);
      return '';
    };
    assert.equal(first(1), first(1));
    assert.notEqual(first(1), first(2));
  });
});

async function pipeWithCli(path: string, port: number): Promise<void> {
  const input = openSync(path, 'r');
  const cli = spawn('redis-cli', ['-p', String(port), '--pipe'], {
    stdio: [input, 'ignore', 'inherit'],
  });
  const code = await new Promise((resolve, reject) => {
    cli.once('error', reject);
    cli.once('exit', resolve);
  });
  closeSync(input);
  assert.equal(code, 0);
}
