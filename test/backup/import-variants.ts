import { ByteBuilder } from '../../src/base/index.ts';
import { ForeignLineReader, JsonLineWriter, LineSplitter } from '../../src/entries/index.ts';
import type { SeededRandom } from '../support/seeded-random.ts';
import { type Json, JsonNumber, parseStrictJson } from '../support/strict-json.ts';

/** Other ways to write the same JSON Lines: what editors and other programs make of ours. */

/** Lines that mean the same as the canonical ones given. */
export function varyLines(lines: Buffer, random: SeededRandom): Buffer {
  const out: string[] = random.chance(0.5) ? ['\uFEFF'] : [];
  for (const line of lines.toString('utf8').split('\n')) {
    if (line === '') continue;
    if (random.chance(0.05)) out.push(random.pick(['', ' ', '\t\r']), '\n');
    out.push(varyLine(line, random), random.pick(['\n', '\r\n', ' \n']));
  }
  // The last line may lack its end.
  if (random.chance(0.5)) out.pop();
  return Buffer.from(out.join(''));
}

export function varyLine(line: string, random: SeededRandom): string {
  const members = parseStrictJson(line, { spaces: false });
  if (!(members instanceof Map)) throw new Error('no object');
  // Where a key goes on in another line, the order of its elements says which.
  const isPart = members.has('part');
  const value = members.get('value');
  if (
    members.get('db') instanceof JsonNumber &&
    line.startsWith('{"db":0,') &&
    random.chance(0.5)
  ) {
    members.delete('db');
  }
  const write = (json: Json): string => {
    const space = (): string => (random.chance(0.1) ? random.pick([' ', '  ', '\t', '\r']) : '');
    const join = (open: string, parts: string[], close: string): string =>
      `${open}${parts.map((part) => `${space()}${part}${space()}`).join(',')}${space()}${close}`;
    if (json instanceof Map) {
      const entries = [...json];
      if (!(isPart && json === value)) shuffle(entries, random);
      const parts = entries.map(
        ([name, item]) => `${varyText(name, random)}${space()}:${space()}${write(item)}`,
      );
      return join('{', parts, '}');
    }
    if (Array.isArray(json)) return join('[', json.map(write), ']');
    if (json instanceof JsonNumber) return varyNumber(json.text, random);
    return typeof json === 'string' ? varyText(json, random) : String(json);
  };
  return write(members);
}

function shuffle(items: unknown[], random: SeededRandom): void {
  for (let i = items.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [items[i], items[j]] = [items[j], items[i]];
  }
}

/** Escapes what need not be escaped, here and there. */
function varyText(text: string, random: SeededRandom): string {
  const json = JSON.stringify(text);
  if (text.length > 5000 || random.chance(0.6)) return json;
  const unit = (code: number): string => {
    const hex = code.toString(16).padStart(4, '0');
    return `\\u${random.chance(0.5) ? hex.toUpperCase() : hex}`;
  };
  let out = '"';
  for (const character of text) {
    const plain = JSON.stringify(character).slice(1, -1);
    if (character === '/' && random.chance(0.5)) out += '\\/';
    else if (random.chance(0.3)) {
      for (let i = 0; i < character.length; i++) out += unit(character.charCodeAt(i));
    } else out += plain;
  }
  return `${out}"`;
}

/** The same number in another notation. */
function varyNumber(text: string, random: SeededRandom): string {
  const plain = /[eE.]/.test(text) ? '' : '.0';
  const other = random.pick([
    text,
    `${text}e0`,
    `${text}${plain}`,
    `${text}${plain}E+00`,
    Number(text).toExponential(),
    plain === '' ? text : `${text}0e-1`,
  ]);
  const isJson = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(other);
  return isJson && Object.is(Number(other), Number(text)) ? other : text;
}

/** Reads lines of any form and writes them as Tidemark does, in pieces of `step` bytes. */
export function canonicalLines(lines: Uint8Array, step = lines.length + 1): Buffer {
  const reader = new ForeignLineReader('lines');
  const all = new ByteBuilder(lines.length);
  const out = new ByteBuilder(1 << 16);
  const writer = new JsonLineWriter((bytes, start, end) => all.append(bytes, start, end));
  const splitter = new LineSplitter('lines', (bytes, start, end, number, offset) => {
    if (!reader.begin(bytes, start, end, { number, offset })) return;
    if (reader.header.part === 0) writer.entry(reader.header, reader.keyMetaFormat, out);
    reader.readValue(writer);
    if (reader.header.more) return;
    all.append(out.bytes, 0, out.length);
    out.clear();
  });
  for (let at = 0; at < lines.length; at += step) splitter.push(lines.subarray(at, at + step));
  splitter.end();
  reader.finish();
  return all.copy();
}
