import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';

/** A file of the project: path relative to its root with forward slashes, and contents. */
export type SourceFile = { readonly path: string; readonly text: string };

export type Violation = {
  readonly path: string;
  /** From 1; 0 where the file as a whole is meant. */
  readonly line: number;
  readonly message: string;
};

const UNREAD = new Set(['node_modules', 'dist', '.cache', '.git', 'coverage', 'fixtures']);
const TEXT = /(\.(ts|tsx|mjs|js|json|md|sh|yml|yaml|css|html)|^LICENSE|^\.npmrc|^\.gitignore)$/;

/** Every text file below `root` that is ours, in a stable order. */
export function readProject(root: string): SourceFile[] {
  const found: SourceFile[] = [];
  const visit = (dir: string): void => {
    const entries = readdirSync(dir, { withFileTypes: true });
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      const path = join(dir, entry.name);
      if (entry.isDirectory()) {
        if (!UNREAD.has(entry.name)) visit(path);
      } else if (entry.isFile() && (TEXT.test(entry.name) || isProgram(entry.name, dir))) {
        found.push({
          path: relative(root, path).split(sep).join('/'),
          text: readFileSync(path, 'utf8'),
        });
      }
    }
  };
  visit(root);
  return found;
}

function isProgram(name: string, dir: string): boolean {
  return !name.includes('.') && /[/\\](bin|\.ci)$/.test(dir);
}

export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let i = text.indexOf('\n'); i !== -1 && i < offset; i = text.indexOf('\n', i + 1)) line += 1;
  return line;
}

/**
 * The same text with comments, and optionally what strings hold, overwritten by blanks: same
 * length, same lines. Good enough for rules about our own formatted sources; not a parser.
 */
export function maskSource(text: string, alsoStrings: boolean): string {
  return new Masker(text, alsoStrings).mask();
}

class Masker {
  readonly #text: string;
  readonly #alsoStrings: boolean;
  readonly #out: string[] = [];
  #at = 0;
  /** The last character of code that was not blank: tells a regular expression from a division. */
  #previous = '';

  constructor(text: string, alsoStrings: boolean) {
    this.#text = text;
    this.#alsoStrings = alsoStrings;
  }

  mask(): string {
    this.#code('');
    return this.#out.join('');
  }

  /** Reads code up to `end`, which is `}` inside a template's `${…}`. */
  #code(end: string): void {
    let depth = 0;
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at] ?? '';
      const two = this.#text.slice(this.#at, this.#at + 2);
      if (end !== '' && char === end && depth === 0) return;
      if (char === '{') depth += 1;
      if (char === '}') depth -= 1;
      if (two === '//') this.#blankTo(this.#indexOrEnd('\n', this.#at));
      else if (two === '/*') this.#blankTo(this.#indexOrEnd('*/', this.#at + 2) + 2);
      else if (char === '`') this.#template();
      else if (char === "'" || char === '"') this.#quoted(char);
      else if (char === '/' && this.#canBeginPattern()) this.#pattern();
      else this.#keep();
    }
  }

  #keep(): void {
    const char = this.#text[this.#at] ?? '';
    this.#out.push(char);
    this.#at += 1;
    if (char.trim() !== '') this.#previous = char;
  }

  #blankTo(end: number): void {
    const part = this.#text.slice(this.#at, end);
    this.#out.push(part.replace(/[^\n]/g, ' '));
    this.#at += part.length;
  }

  #content(end: number): void {
    if (this.#alsoStrings) return this.#blankTo(end);
    this.#out.push(this.#text.slice(this.#at, end));
    this.#at = end;
  }

  #quoted(quote: string): void {
    this.#keep();
    let end = this.#at;
    while (end < this.#text.length && this.#text[end] !== quote && this.#text[end] !== '\n') {
      end += this.#text[end] === '\\' ? 2 : 1;
    }
    this.#content(end);
    this.#keep();
  }

  #template(): void {
    this.#keep();
    while (this.#at < this.#text.length) {
      let end = this.#at;
      while (end < this.#text.length && this.#text[end] !== '`') {
        if (this.#text.startsWith('${', end)) break;
        end += this.#text[end] === '\\' ? 2 : 1;
      }
      this.#content(end);
      if (this.#text[this.#at] === '`') return this.#keep();
      this.#keep();
      this.#keep();
      this.#code('}');
      this.#keep();
    }
  }

  #pattern(): void {
    this.#keep();
    let end = this.#at;
    let inClass = false;
    while (end < this.#text.length && this.#text[end] !== '\n') {
      const char = this.#text[end];
      if (char === '[') inClass = true;
      if (char === ']') inClass = false;
      if (char === '/' && !inClass) break;
      end += char === '\\' ? 2 : 1;
    }
    this.#content(end);
    this.#keep();
  }

  #canBeginPattern(): boolean {
    if (this.#previous === '' || '(,=:[!&|?{};+-*%<>~^'.includes(this.#previous)) return true;
    const before = this.#out.slice(-12).join('').trimEnd();
    return /\b(return|typeof|case|in|of|do|else)$/.test(before);
  }

  #indexOrEnd(what: string, from: number): number {
    const index = this.#text.indexOf(what, from);
    return index === -1 ? this.#text.length : index;
  }
}

/** Prints what was found, one line each, and says by the exit code whether there was anything. */
export function reportViolations(violations: readonly Violation[]): void {
  for (const { path, line, message } of violations) {
    console.log(`${path}${line > 0 ? `:${line}` : ''}  ${message}`);
  }
  if (violations.length > 0) process.exitCode = 1;
}
