import { CodedError, type RunSettings } from '../../base/index.ts';
import { parseCount, parseRate } from './amounts.ts';

const NONE = 'none';
const YES = new Set(['true', 'yes', '1']);
const NO = new Set(['false', 'no', '0']);

const READERS: Readonly<Record<string, (text: string) => Partial<RunSettings>>> = {
  rate: (text) => ({ bytesPerSecond: text === NONE ? null : parseRate(text) }),
  keys: (text) => ({ keysPerSecond: text === NONE ? null : parseKeys(text.replace(/\/s$/, '')) }),
  pause: (text) => ({ paused: parsePause(text) }),
};

const parseKeys = parseCount('a number of keys per second');

/**
 * The settings that a control file names: lines of `name=value`, empty lines and lines that begin
 * with `#` left out. Throws USAGE for the first line that cannot be understood.
 */
export function parseControl(text: string): Partial<RunSettings> {
  let settings: Partial<RunSettings> = {};
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    const at = trimmed.indexOf('=');
    const name = trimmed.slice(0, Math.max(at, 0)).trim();
    const read = Object.hasOwn(READERS, name) ? READERS[name] : undefined;
    if (at < 0 || read === undefined) {
      throw new CodedError('USAGE', `Cannot understand line ${index + 1}: '${trimmed}'`, {
        hint: 'Write rate=5MiB/s, keys=10000/s, pause=true or pause=false; none takes a limit off',
      });
    }
    settings = { ...settings, ...read(trimmed.slice(at + 1).trim()) };
  }
  return settings;
}

function parsePause(text: string): boolean {
  const word = text.toLowerCase();
  if (YES.has(word)) return true;
  if (NO.has(word)) return false;
  throw new CodedError('USAGE', `Cannot tell whether to pause: '${text}'`, {
    hint: 'Write pause=true or pause=false',
  });
}
