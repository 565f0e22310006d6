import type { Command } from 'commander';
import { CodedError } from '../../base/index.ts';
import {
  decodeText,
  ENTRY_TYPES,
  type EntrySelection,
  type EntryType,
} from '../../entries/index.ts';
import { parseDatabase } from './amounts.ts';
import { defined } from './defined.ts';

/** As commander hands them over. */
export type SelectionOptions = {
  readonly db?: readonly number[];
  readonly key?: readonly Buffer[];
  readonly match?: readonly Buffer[];
  readonly exclude?: readonly Buffer[];
  readonly type?: readonly EntryType[];
};

/** The options that say which keys a command is about. */
export function addSelectionOptions(command: Command): Command {
  return command
    .optionsGroup('Which keys (all of these must agree):')
    .option('--db <numbers>', 'only these databases, as in 0,3', parseDatabases)
    .option('--key <key>', 'exactly this key (repeatable; base64:… for bytes)', collectText)
    .option('--match <glob>', 'keys like this, as in user:* (repeatable)', collectText)
    .option('--exclude <glob>', 'no keys like this (repeatable)', collectText)
    .option('--type <types>', `only these types: ${ENTRY_TYPES.join(', ')}`, parseTypes)
    .optionsGroup('Options:');
}

export function selectionOf(options: SelectionOptions): EntrySelection {
  const { db, key, match, exclude, type } = options;
  return defined({ databases: db, keys: key, match, exclude, types: type });
}

/**
 * A key or pattern as people type it: UTF-8 text, `base64:…` for any bytes, `text:…` for a text
 * that begins with one of these words; the same as in the entries. Throws USAGE.
 */
export function parseText(text: string): Buffer {
  const encoded = /^base64:(.*)$/s.exec(text)?.[1];
  if (encoded === undefined) return decodeText(text);
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes.toString('base64').replace(/=+$/, '') === encoded.replace(/=+$/, '')) return bytes;
  throw new CodedError('USAGE', `Cannot read '${text}': what follows base64: is no base64`, {
    hint: `If the key itself begins with base64:, write 'text:${text}'`,
  });
}

function collectText(text: string, before: readonly Buffer[] | undefined): readonly Buffer[] {
  return [...(before ?? []), parseText(text)];
}

export function parseDatabases(
  text: string,
  before: readonly number[] | undefined,
): readonly number[] {
  const all = new Set([...(before ?? []), ...text.split(',').map(parseDatabase)]);
  return [...all].sort((a, b) => a - b);
}

function parseTypes(text: string, before: readonly EntryType[] | undefined): readonly EntryType[] {
  const wanted = text.split(',').map((name) => {
    const type = ENTRY_TYPES.find((known) => known === name.trim().toLowerCase());
    if (type !== undefined) return type;
    throw new CodedError('USAGE', `Cannot select the type '${name}'`, {
      hint: `Types are ${ENTRY_TYPES.join(', ')}`,
    });
  });
  return [...new Set([...(before ?? []), ...wanted])];
}
