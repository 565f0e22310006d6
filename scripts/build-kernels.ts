import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Builds the WebAssembly kernels: every `src/kernels/assembly/<name>.ts` of the list becomes
 * `src/kernels/<name>.wasm`, which is committed, so that nobody needs the compiler to run Tidemark.
 * `node scripts/build-kernels.ts [name…]` writes them; with `--check` it writes nothing and fails
 * when one of them is not what its source gives; the compiler is deterministic, byte for byte.
 * `--into <folder>` copies the committed ones to where the published package looks for them.
 */

/** The modules and the size of their memory in pages of 64 KiB, which never grows. */
const KERNELS: Readonly<Record<string, { readonly pages: number }>> = {
  transcode: { pages: 1024 },
  checksum: { pages: 6 },
  encode: { pages: 512 },
};

const OPTIONS = [
  '-O3',
  '--noAssert',
  '--runtime',
  'minimal',
  '--enable',
  'simd',
  // No imports: a bug inside traps, which JavaScript sees as WebAssembly.RuntimeError.
  '--use',
  'abort=',
];

/** Its own types declare globals that change what ours mean, so it is imported without them. */
type Compiler = {
  readonly createMemoryStream: () => { toString(): string };
  readonly main: (
    args: readonly string[],
    options: {
      readonly stderr: object;
      readonly writeFile: (file: string, contents: Uint8Array | string) => void;
    },
  ) => Promise<{ readonly error: Error | null }>;
};
const COMPILER: string = 'assemblyscript/asc';

const projectDir = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(projectDir, 'src', 'kernels');

async function main(args: readonly string[]): Promise<void> {
  if (args[0] === '--into') return copyInto(args[1] ?? '');
  const check = args.includes('--check');
  const names = args.filter((arg) => !arg.startsWith('--'));
  for (const [name, { pages }] of Object.entries(KERNELS)) {
    if (names.length > 0 && !names.includes(name)) continue;
    if (readIfThere(join(folder, 'assembly', `${name}.ts`)) === undefined) continue;
    const built = await build(name, pages);
    const path = join(folder, `${name}.wasm`);
    if (!check) {
      writeFileSync(path, built);
      console.log(`${name}.wasm: ${built.length} bytes`);
    } else if (!built.equals(readIfThere(path) ?? Buffer.alloc(0))) {
      console.log(`src/kernels/${name}.wasm is not what its source gives;`);
      console.log(`run: node scripts/build-kernels.ts ${name}`);
      process.exitCode = 1;
    }
  }
}

function copyInto(target: string): void {
  for (const name of Object.keys(KERNELS)) {
    const bytes = readIfThere(join(folder, `${name}.wasm`));
    if (bytes !== undefined) writeFileSync(join(target, `${name}.wasm`), bytes);
  }
}

async function build(name: string, pages: number): Promise<Buffer> {
  const { createMemoryStream, main: compile } = (await import(COMPILER)) as Compiler;
  const outputs = new Map<string, Uint8Array | string>();
  const stderr = createMemoryStream();
  const result = await compile(
    [
      `assembly/${name}.ts`,
      `--outFile=${name}.wasm`,
      `--baseDir=${folder}`,
      `--initialMemory=${pages}`,
      `--maximumMemory=${pages}`,
      ...OPTIONS,
    ],
    {
      stderr,
      writeFile: (file, contents) => {
        outputs.set(file, contents);
      },
    },
  );
  const wasm = outputs.get(`${name}.wasm`);
  if (result.error !== null || wasm === undefined) {
    throw new Error(`Cannot compile ${name}: ${stderr.toString()}`, { cause: result.error });
  }
  return Buffer.from(wasm as Uint8Array);
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

await main(process.argv.slice(2));
