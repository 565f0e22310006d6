import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodeDump, digestDump, digestLines } from '../../../test/fidelity/dump-lines.ts';
import { relics } from '../../../test/support/relic-builder.ts';
import { loadRdb } from '../../../test/support/truth.ts';
import { CodedError } from '../../base/index.ts';
import type { ValueDigest } from '../../entries/index.ts';
import { RdbStreamWriter } from '../../rdb/index.ts';
import type { ExportOptions } from './exported-block.ts';
import { parseExportTarget } from './export-target.ts';
import { RdbExporter } from './rdb-exporter.ts';

/** Nothing expires and nothing is refused. */
function optionsFor(target: string): ExportOptions {
  return {
    way: 'rdb',
    format: parseExportTarget(target).format,
    setPxat: true,
    restoreOptions: true,
    modules: null,
    selection: {},
    ttl: { policy: 'absolute', startedAtMs: 0, snapshotAtMs: 0 },
    allowInexact: true,
    words: { remove: 'UNLINK', setFields: 'HSET', replace: true },
    conflict: 'overwrite',
    commands: false,
    task: '0a1b2c3d',
  };
}

/** The newest format of the dump's family, which holds everything. */
function newestFor(rdb: Buffer): string {
  return rdb.toString('latin1', 0, 6) === 'VALKEY' ? 'rdb:80' : 'rdb:15';
}

/** Lines of one database as an RDB, made as an export makes it, but in this thread. */
function rdbOf(lines: Buffer, target: string) {
  const options = optionsFor(target);
  const chunks: Buffer[] = [];
  const writer = new RdbStreamWriter(options.format, (chunk) => chunks.push(chunk));
  const exported = new RdbExporter(options).export(lines, -1);
  writer.selectDb(0);
  writer.entries(exported.bytes);
  writer.finish();
  return { rdb: Buffer.concat(chunks), exported };
}

/** All keys in database 0: what follows reads no SELECTDB of the lines. */
function inOneDatabase(lines: Buffer): Buffer {
  return Buffer.from(
    lines.toString('latin1').replace(/^\{"db":(\d+),"key":"/gm, '{"db":0,"key":"$1 '),
    'latin1',
  );
}

describe('RdbExporter', () => {
  test('gives every relic back with the same value digests', () => {
    let kept = 0;
    for (const { name, file } of relics()) {
      let lines: Buffer;
      try {
        ({ lines } = decodeDump(file));
      } catch (error) {
        assert.ok(error instanceof CodedError, name);
        continue;
      }
      const { rdb, exported } = rdbOf(lines, newestFor(file));
      const failed = exported.problems.filter(({ code }) => code === 'failed');
      // KeyDB's own type has no place elsewhere
      if (failed.length > 0) assert.match(name, /KeyDB|keydb|cron/i, failed[0]?.reason);
      const expected = [...coresOf(digestDump(file)).values()];
      const found = [...coresOf(digestDump(rdb)).values()];
      assert.equal(found.length, expected.length - failed.length, name);
      if (failed.length > 0) continue;
      assert.deepEqual(found, expected, name);
      kept += found.length;
    }
    assert.ok(kept > 100, `${kept} values`);
  });

  for (const fixture of ['redis-6.0.20', 'redis-8.6.3', 'valkey-9.1.2']) {
    test(`gives ${fixture} back with the same value digests`, () => {
      const { lines } = decodeDump(loadRdb(fixture));
      const short = lines.toString('latin1').split('\n').filter(isOfOneLine);
      const source = inOneDatabase(Buffer.from(`${short.join('\n')}\n`, 'latin1'));
      const target = newestFor(loadRdb(fixture));
      const { rdb, exported } = rdbOf(source, target);
      assert.deepEqual(exported.problems, []);
      assert.equal(exported.counts.written, short.length);
      assert.deepEqual(coresOf(digestDump(rdb)), coresOf(digestLines(source)));
      const again = rdbOf(decodeDump(rdb).lines, target);
      assert.ok(again.rdb.equals(rdb), 'another file the second time');
    });
  }
});

function isOfOneLine(line: string): boolean {
  return line !== '' && !line.includes(',"part":');
}

function coresOf(digests: ReadonlyMap<string, ValueDigest>): Map<string, string> {
  return new Map([...digests].map(([name, { core }]) => [name, core]));
}
