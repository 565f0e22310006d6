import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where commands under test keep their journals: one folder a process, gone when it ends. */
export const STATE_HOME = mkdtempSync(join(tmpdir(), 'tidemark-state-'));

process.once('exit', () => rmSync(STATE_HOME, { recursive: true, force: true }));
