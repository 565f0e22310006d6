import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sandboxProgram } from './sandbox-servers.ts';
import type { ServerName } from './servers.ts';

let folder: string | undefined;
const programs = new Map<ServerName, string>();

/** A test server as one program file, as `--sandbox-server` wants it; gone with the process. */
export function serverProgram(name: ServerName): string {
  const known = programs.get(name);
  if (known !== undefined) return known;
  if (folder === undefined) {
    const made = mkdtempSync(join(tmpdir(), 'tidemark-programs-'));
    process.once('exit', () => rmSync(made, { recursive: true, force: true }));
    folder = made;
  }
  const own = join(folder, name);
  mkdirSync(own);
  const program = sandboxProgram(name, own);
  programs.set(name, program);
  return program;
}
