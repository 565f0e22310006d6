import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SandboxServer } from '../../src/replay/index.ts';
import { findServer, type ServerName, whyMissing } from './servers.ts';

/** A test server as a program for sandboxes. Throws when it is not on this machine. */
export function sandboxServer(name: ServerName): SandboxServer {
  const binary = findServer(name);
  if (binary === undefined) throw new Error(`not run: ${whyMissing(name)}`);
  const { file, args } = binary.run([]);
  const { family } = binary;
  return { file, args, family, version: binary.version.join('.'), why: 'a test server' };
}

/** The same as one executable file in `folder`, for `--sandbox-server` and PATH. */
export function sandboxProgram(name: ServerName, folder: string): string {
  const { file, args, family } = sandboxServer(name);
  const path = join(folder, `${family}-server`);
  const words = [file, ...args].map((word) => `'${word}'`).join(' ');
  writeFileSync(path, `#!/bin/sh\nexec ${words} "$@"\n`);
  chmodSync(path, 0o755);
  return path;
}
