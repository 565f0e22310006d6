import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Everything about the sources that can be told without running them: types, floors, tidiness,
 * lint, format. All checks run, each prints one line, and what a failing one said.
 */

type Check = { readonly name: string; readonly command: readonly [string, ...string[]] };

const CHECKS: readonly Check[] = [
  { name: 'types', command: ['tsc', '-p', '.'] },
  { name: 'floors', command: [process.execPath, 'scripts/floors.ts'] },
  { name: 'tidy', command: [process.execPath, 'scripts/tidy.ts'] },
  { name: 'lint', command: ['oxlint', '--type-aware'] },
  { name: 'format', command: ['biome', 'format', '--colors=off'] },
  { name: 'kernels', command: [process.execPath, 'scripts/build-kernels.ts', '--check'] },
];

const projectDir = dirname(dirname(fileURLToPath(import.meta.url)));

async function main(): Promise<void> {
  let failed = 0;
  for (const check of CHECKS) {
    const begunAt = performance.now();
    const { code, output } = await run(check.command);
    const seconds = ((performance.now() - begunAt) / 1000).toFixed(1);
    console.log(`${code === 0 ? '✔' : '✖'} ${check.name} (${seconds} s)`);
    if (code === 0) continue;
    failed += 1;
    console.log(output.trimEnd());
  }
  if (failed > 0) {
    console.log(`${failed} of ${CHECKS.length} checks failed.`);
    process.exitCode = 1;
  }
}

function run([file, ...args]: readonly [string, ...string[]]): Promise<{
  readonly code: number;
  readonly output: string;
}> {
  return new Promise((resolve, reject) => {
    const bin = join(projectDir, 'node_modules', '.bin');
    const env = { ...process.env, PATH: `${bin}:${process.env['PATH'] ?? ''}` };
    const child = spawn(file, args, { cwd: projectDir, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.once('error', reject);
    child.once('close', (code) => {
      resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString() });
    });
  });
}

await main();
