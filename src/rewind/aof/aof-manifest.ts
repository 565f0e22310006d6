import { CodedError } from '../../base/index.ts';

/**
 * The manifest of a multi-part AOF (Redis 7.0 and later, Valkey): one line for each file,
 * `file NAME seq N type b|i|h`, names quoted where they have to be. `b` is the state at the start,
 * `i` are the commands since, `h` waits to be deleted and is not read.
 */
export type AofManifest = {
  readonly base: AofManifestLine | null;
  /** In the order they are loaded in. */
  readonly increments: readonly AofManifestLine[];
};

export type AofManifestLine = {
  /** Of a file in the folder of the manifest: never with a folder part. */
  readonly file: string;
  readonly sequence: number;
};

const MAX_LINE_BYTES = 1024;
const BLANKS = /[ \t\r\n\v\f\0]/;
const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  b: '\b',
  a: '\x07',
};

/**
 * Reads a manifest as servers do: comments and pairs that are not known are passed over, everything
 * else that is wrong is AOF_CORRUPT with the line. `bytes` are those of the file, `name` its name.
 */
export function parseAofManifest(bytes: Buffer, name: string): AofManifest {
  let base: AofManifestLine | null = null;
  const increments: AofManifestLine[] = [];
  // Names are bytes; latin1 keeps each.
  const lines = bytes.toString('latin1').split('\n');
  if (lines.at(-1) === '') lines.pop();
  for (const [index, text] of lines.entries()) {
    const refuse = (why: string): CodedError =>
      new CodedError('AOF_CORRUPT', `Cannot read line ${index + 1} of ${name}: ${why}`, {
        hint: 'Compare it with the files of the folder',
      });
    if (text.length + 1 > MAX_LINE_BYTES) throw refuse(`it has more than ${MAX_LINE_BYTES} bytes`);
    if (text.startsWith('#')) continue;
    const { kind, line } = parseLine(text, refuse);
    if (kind === 'b') {
      if (base !== null) throw refuse('there is a second base file');
      base = line;
    } else if (kind === 'i') {
      const before = increments.at(-1);
      if (before !== undefined && line.sequence <= before.sequence) {
        throw refuse(`sequence ${line.sequence} follows ${before.sequence}`);
      }
      increments.push(line);
    }
  }
  if (base === null && increments.length === 0) {
    throw new CodedError('AOF_CORRUPT', `Cannot load ${name}: it names no file`);
  }
  return { base, increments };
}

/** The text of a manifest, for names that need no quotes. */
export function formatAofManifest({ base, increments }: AofManifest): string {
  const line = ({ file, sequence }: AofManifestLine, kind: 'b' | 'i'): string =>
    `file ${file} seq ${sequence} type ${kind}\n`;
  const lines = increments.map((increment) => line(increment, 'i'));
  return [...(base === null ? [] : [line(base, 'b')]), ...lines].join('');
}

function parseLine(text: string, refuse: (why: string) => CodedError) {
  const words = splitWords(text);
  if (words === undefined) throw refuse('its quotes do not close');
  if (words.length === 0) throw refuse('it is blank');
  if (words.length % 2 !== 0) throw refuse('a name without a value');
  const pairs = new Map<string, string>();
  for (let i = 0; i < words.length; i += 2) pairs.set(words[i].toLowerCase(), words[i + 1]);
  const file = Buffer.from(pairs.get('file') ?? '', 'latin1').toString('utf8');
  const kind = pairs.get('type') ?? '';
  const sequence = Number(/^\d{1,15}$/.exec(pairs.get('seq') ?? '')?.[0] ?? 0);
  if (file === '') throw refuse('it names no file');
  if (/[/\\\0]/.test(file) || file === '.' || file === '..') {
    throw refuse(`'${printable(file)}' is no plain name of a file`);
  }
  if (sequence < 1) throw refuse('its sequence is no number from 1 on');
  if (kind !== 'b' && kind !== 'i' && kind !== 'h') {
    throw refuse(`'${printable(kind)}' is no type of a file`);
  }
  return { kind, line: { file, sequence } } as const;
}

/** Words between blanks, "…" with escapes, '…' with \' only; undefined where quotes stay open. */
function splitWords(text: string): string[] | undefined {
  const words: string[] = [];
  let pos = 0;
  for (;;) {
    while (pos < text.length && BLANKS.test(text[pos])) pos++;
    if (pos >= text.length) return words;
    const quote = text[pos];
    if (quote !== '"' && quote !== "'") {
      const from = pos;
      while (pos < text.length && !BLANKS.test(text[pos])) pos++;
      words.push(text.slice(from, pos));
      continue;
    }
    const quoted = readQuoted(text, pos, quote);
    if (quoted === undefined) return undefined;
    words.push(quoted.word);
    pos = quoted.end;
    if (pos < text.length && !BLANKS.test(text[pos])) return undefined;
  }
}

function readQuoted(text: string, start: number, quote: string) {
  let word = '';
  let pos = start + 1;
  for (; pos < text.length && text[pos] !== quote; pos++) {
    if (text[pos] !== '\\' || pos + 1 >= text.length) {
      word += text[pos];
      continue;
    }
    const next = text[pos + 1];
    const hex = /^x([0-9a-f]{2})/i.exec(text.slice(pos + 1, pos + 4))?.[1];
    if (quote === "'") {
      word += next === "'" ? "'" : '\\';
      pos += next === "'" ? 1 : 0;
    } else if (hex === undefined) {
      word += ESCAPES[next] ?? next;
      pos++;
    } else {
      word += String.fromCharCode(Number.parseInt(hex, 16));
      pos += 3;
    }
  }
  return pos < text.length ? { word, end: pos + 1 } : undefined;
}

function printable(text: string): string {
  return text.replace(/[^ -~]/g, '?').slice(0, 100);
}
