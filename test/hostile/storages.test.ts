import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { EXIT } from '../../src/cli/index.ts';
import { runHere, type Ran } from '../cli/fake-terminal.ts';
import { temporaryFolder } from '../cli/run-tidemark.ts';
import { notRun } from '../support/servers.ts';
import { loadRdb } from '../support/truth.ts';

const isRoot = process.getuid?.() === 0;
/** The user that owns nothing. */
const NOBODY = 65534;

type Scene = { readonly folder: string; readonly repo: string; readonly rdb: string };

async function scene(t: TestContext): Promise<Scene> {
  const folder = temporaryFolder(t);
  const rdb = join(folder, 'dump.rdb');
  const repo = join(folder, 'repo');
  writeFileSync(rdb, loadRdb('redis-6.0.20.lru'));
  assert.equal((await importTo(repo, rdb)).status, EXIT.done);
  return { folder, repo, rdb };
}

async function importTo(repo: string, rdb: string): Promise<Ran> {
  return await runHere(['import', rdb, '--source', 'one', '--repo', repo, '--workers', '1']);
}

function assertCoded(ran: Ran, expected: RegExp): void {
  assert.notEqual(ran.status, EXIT.done);
  assert.doesNotMatch(ran.stderr, /mistake of Tidemark/);
  assert.match(ran.stderr, expected);
}

/** Runs `body` as somebody without rights, in this process: everything that it opens is refused. */
async function asNobody<T>(body: () => Promise<T>): Promise<T> {
  process.setegid?.(NOBODY);
  process.seteuid?.(NOBODY);
  try {
    return await body();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
  }
}

describe('a full disk', () => {
  test('ends a backup with STORAGE_FULL, lists nothing, and works again with room', async (t) => {
    const folder = temporaryFolder(t);
    const disk = join(folder, 'disk');
    mkdirSync(disk);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk]);
    if (mounted.status !== 0) return notRun(t, 'a small disk', 'mounting needs rights');
    try {
      await proveFullDisk(folder, disk);
    } finally {
      spawnSync('umount', [disk]);
    }
  });
});

async function proveFullDisk(folder: string, disk: string): Promise<void> {
  const repo = join(disk, 'repo');
  const large = join(folder, 'large.rdb');
  writeFileSync(large, loadRdb('redis-7.0.15'));
  const small = join(folder, 'small.rdb');
  writeFileSync(small, loadRdb('redis-6.0.20.lru'));
  assert.equal((await importTo(repo, small)).status, EXIT.done);
  const before = await runHere(['list', '--repo', repo, '--json']);
  // At every filling of the disk, down to none, something else is the first that fails.
  for (const left of [150, 100, 60, 40, 30, 20, 16, 12, 8, 4, 0]) {
    fill(disk, left);
    const failed = await importTo(repo, large);
    assertCoded(failed, /ENOSPC|full/i);
    assert.equal((await runHere(['list', '--repo', repo, '--json'])).stdout, before.stdout);
    assert.equal((await runHere(['verify', '--repo', repo])).status, EXIT.done);
    rmSync(join(disk, 'filling'));
  }
  assert.equal((await importTo(repo, small)).status, EXIT.done);
  const left = readdirSync(join(repo, '.tmp'));
  assert.deepEqual(left, [], 'what failed left its temporary files');
}

/** Leaves about so many KiB of a file system. */
function fill(disk: string, leftKib: number): void {
  const { stdout } = spawnSync('df', ['--output=avail', '-k', disk], { encoding: 'utf8' });
  const free = Number(stdout.trim().split('\n').at(-1));
  writeFileSync(join(disk, 'filling'), Buffer.alloc(Math.max(0, free - leftKib) * 1024));
}

describe('a repository that may only be read', { skip: !isRoot && 'not run: needs root' }, () => {
  test('is read by every reading command, and refuses to be written', async (t) => {
    const { folder, repo, rdb } = await scene(t);
    chmodSync(folder, 0o755);
    spawnSync('chmod', ['-R', 'a+rX,go-w', repo]);
    chmodSync(rdb, 0o644);
    await asNobody(async () => {
      for (const command of [['list'], ['show', 'latest'], ['cat', 'latest'], ['verify']]) {
        const ran = await runHere([...command, '--repo', repo]);
        assert.equal(ran.status, EXIT.done, `${command.join(' ')}: ${ran.stderr}`);
      }
      assertCoded(await importTo(repo, rdb), /EACCES|EROFS|permission/i);
    });
    assert.equal((await runHere(['verify', '--repo', repo])).status, EXIT.done);
  });

  test('says what may not even be read', async (t) => {
    const { folder, repo } = await scene(t);
    chmodSync(folder, 0o755);
    chmodSync(repo, 0o700);
    await asNobody(async () => {
      for (const command of [['list'], ['show', 'latest'], ['cat', 'latest'], ['verify']]) {
        assertCoded(await runHere([...command, '--repo', repo]), /EACCES/);
      }
    });
  });
});

describe('names that lead elsewhere', () => {
  test('are refused as sources and backups', async (t) => {
    const { folder, repo, rdb } = await scene(t);
    const before = readdirSync(folder).sort();
    for (const name of ['..', '../x', '/etc', 'a/../../b', 'a\u0000b', '.tmp', '', ' ', '\u202e']) {
      const imported = await runHere(['import', rdb, `--source=${name}`, '--repo', repo]);
      assert.doesNotMatch(imported.stderr, /mistake of Tidemark/, JSON.stringify(name));
      for (const command of ['show', 'cat', 'verify']) {
        const ran = await runHere([command, '--repo', repo, '--', name]);
        assertCoded(ran, /^tidemark: /m);
      }
    }
    assert.deepEqual(readdirSync(folder).sort(), before, 'something was written elsewhere');
  });

  test('a repository reached through .. or a link is the same repository', async (t) => {
    const { folder, repo } = await scene(t);
    mkdirSync(join(folder, 'beside'));
    symlinkSync(repo, join(folder, 'link'));
    const direct = await runHere(['cat', 'latest', '--repo', repo]);
    for (const path of [join(folder, 'beside', '..', 'repo'), join(folder, 'link')]) {
      const ran = await runHere(['cat', 'latest', '--repo', path]);
      assert.equal(ran.stdout, direct.stdout);
    }
  });

  test('links inside a repository are never followed', async (t) => {
    const { folder, repo, rdb } = await scene(t);
    const outside = join(folder, 'outside');
    for (const part of ['sources', 'repository.json'] as const) {
      const copy = join(folder, `copy-${part}`);
      cpSync(repo, copy, { recursive: true });
      rmSync(outside, { recursive: true, force: true });
      renameSync(join(copy, part), outside);
      symlinkSync(outside, join(copy, part));
      const ran = await runHere(['cat', 'latest', '--repo', copy]);
      assertCoded(ran, /^tidemark: /m);
      const imported = await importTo(copy, rdb);
      assertCoded(imported, /^tidemark: /m);
    }
    const data = join(repo, 'sources');
    const file = readdirSync(data, { recursive: true, encoding: 'utf8' }).find((name) =>
      name.endsWith('/00001.jsonl.zst'),
    ) as string;
    renameSync(join(data, file), join(folder, 'secret'));
    symlinkSync(join(folder, 'secret'), join(data, file));
    assertCoded(await runHere(['cat', 'latest', '--repo', repo]), /no file|link/);
    const verified = await runHere(['verify', '--repo', repo]);
    assert.equal(verified.status, EXIT.failed);
  });

  test('a repository that is a file, a pipe, or full of strangers is told as such', async (t) => {
    const { folder, repo, rdb } = await scene(t);
    for (const command of ['list', 'verify']) {
      assertCoded(await runHere([command, '--repo', rdb]), /^tidemark: /m);
    }
    const pipe = join(repo, 'sources', 'pipe');
    if (spawnSync('mkfifo', [pipe]).status === 0) {
      assert.equal((await runHere(['verify', '--repo', repo])).status, EXIT.done);
    }
    writeFileSync(join(repo, 'sources', 'Odd Name\n.json'), 'x');
    mkdirSync(join(repo, 'sources', 'empty-abc123'));
    writeFileSync(join(repo, 'sources', 'empty-abc123', 'x'), '');
    const listed = await runHere(['list', '--repo', repo]);
    assert.doesNotMatch(listed.stderr, /mistake of Tidemark/);
    assert.equal((await runHere(['cat', 'latest', '--repo', repo])).status, EXIT.done);
    assert.ok(existsSync(folder) && readFileSync(rdb).length > 0);
  });
});
