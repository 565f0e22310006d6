import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type EntryHeader, NONE, TYPE, type ValueKind } from '../rdb/index.ts';
import { type EntrySelection, EntrySelector, entryType, selectsEverything } from './selection.ts';

function header(key: string, db = 0, kind: ValueKind = 'string', rdbType = 0): EntryHeader {
  const bytes = Buffer.from(`<${key}>`);
  return {
    db,
    key: bytes,
    keyStart: 1,
    keyEnd: bytes.length - 1,
    rdbType,
    kind,
    expireAtMs: NONE,
    idleSeconds: NONE,
    frequency: NONE,
    keyMeta: undefined,
  };
}

const bytes = (...texts: string[]): Buffer[] => texts.map((text) => Buffer.from(text));

function wants(selection: EntrySelection, entry: EntryHeader): boolean {
  return new EntrySelector(selection).wants(entry);
}

describe('EntrySelector', () => {
  test('wants everything when nothing is said', () => {
    assert.ok(wants({}, header('')));
    assert.ok(selectsEverything({}));
    assert.ok(!selectsEverything({ databases: [] }));
  });

  test('wants exactly the keys named, or those that match', () => {
    const selection = { keys: bytes('a', 'b*'), match: bytes('c?') };
    for (const key of ['a', 'b*', 'cx']) assert.ok(wants(selection, header(key)), key);
    for (const key of ['', 'aa', 'bx', 'c', 'cxx']) assert.ok(!wants(selection, header(key)), key);
    assert.ok(!wants({ keys: [] }, header('a')));
    assert.ok(wants({ keys: bytes('') }, header('')));
  });

  test('tells keys apart that end alike, or are longer', () => {
    const tail = 'the same sixteen';
    const keys = bytes(`1${tail}`, `2${tail}`, tail);
    for (const key of [`1${tail}`, `2${tail}`, tail]) assert.ok(wants({ keys }, header(key)), key);
    for (const key of [`3${tail}`, `11${tail}`]) assert.ok(!wants({ keys }, header(key)), key);
  });

  test('excludes whatever was wanted', () => {
    assert.ok(!wants({ keys: bytes('a'), exclude: bytes('a') }, header('a')));
    assert.ok(wants({ exclude: bytes('a', 'b*') }, header('c')));
    assert.ok(!wants({ exclude: bytes('a', 'b*') }, header('bx')));
  });

  test('demands that all members agree', () => {
    const selection: EntrySelection = { databases: [1], types: ['hash'], match: bytes('k*') };
    assert.ok(wants(selection, header('k', 1, 'hash')));
    assert.ok(!wants(selection, header('k', 0, 'hash')));
    assert.ok(!wants(selection, header('k', 1, 'list')));
    assert.ok(!wants(selection, header('x', 1, 'hash')));
    assert.ok(new EntrySelector(selection).wantsDatabase(1));
    assert.ok(!new EntrySelector(selection).wantsDatabase(0));
  });

  test('tells modules from other opaque values', () => {
    assert.equal(entryType(header('k', 0, 'opaque', TYPE.module)), 'module');
    assert.equal(entryType(header('k', 0, 'opaque', 64)), 'opaque');
    assert.ok(wants({ types: ['module'] }, header('k', 0, 'opaque', TYPE.module)));
    assert.ok(!wants({ types: ['opaque'] }, header('k', 0, 'opaque', TYPE.module)));
  });
});
