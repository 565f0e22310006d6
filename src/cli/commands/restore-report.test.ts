import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createTerminal } from '../../../test/cli/fake-terminal.ts';
import type { Counts, RestoreReport } from '../../restore/index.ts';
import type { Invocation } from '../invocation.ts';
import { Printer } from '../output/printer.ts';
import { formatRestoreReport, isInexact } from './restore-report.ts';

const NOTHING: Counts = {
  selected: 0,
  restored: 0,
  unchanged: 0,
  renamed: 0,
  overwritten: 0,
  skipped: 0,
  changed: 0,
  expired: 0,
  failed: 0,
  inexact: 0,
};

const NO_FUNCTIONS = {
  libraries: 0,
  restored: 0,
  unchanged: 0,
  overwritten: 0,
  skipped: 0,
  failed: 0,
  scripts: 0,
};

function reportOf(counts: Partial<Counts>, changes: Partial<RestoreReport> = {}): RestoreReport {
  const totals = { ...NOTHING, ...counts };
  return {
    task: '0a1b2c3d',
    backup: '20261122t123000z-7f3a2c',
    target: 'redis://db:6379',
    dryRun: false,
    resumed: false,
    startedAt: '2026-11-22T12:30:00.000Z',
    durationMs: 1_234,
    totals,
    databases: [
      { db: 0, ...totals },
      { db: 3, ...NOTHING },
    ],
    functions: NO_FUNCTIONS,
    problems: [],
    problemCount: 0,
    notices: [],
    ...changes,
  };
}

function format(report: RestoreReport, ttl: 'absolute' | 'remaining' = 'absolute'): string {
  const terminal = createTerminal();
  const invocation: Invocation = {
    terminal,
    printer: new Printer(terminal.stdout),
    json: false,
    quiet: false,
    repo: undefined,
    color: false,
  };
  return formatRestoreReport(invocation, report, ttl);
}

describe('formatRestoreReport', () => {
  test('shows the databases that were touched and the outcomes that came up', () => {
    assert.equal(
      format(reportOf({ selected: 1_500, restored: 1_498, renamed: 2 })),
      [
        'Restored 20261122t123000z-7f3a2c to redis://db:6379 (task 0a1b2c3d)',
        '      SELECTED  RESTORED  UNCHANGED  RENAMED',
        'db 0     1,500     1,498          0        2',
        "Conflicts: 2 keys were written beside the target's own, as <key>_dbs_0a1b2c3d_<time>",
        'Took 1.2 s\n',
      ].join('\n'),
    );
  });

  test('ends with the keys that had expired and what brings them back', () => {
    const report = reportOf({ selected: 3, restored: 1, expired: 2 });
    assert.match(
      format(report),
      /\n2 keys were not written: expired by now; --ttl remaining .* --ttl persist .*\n$/,
    );
    const later = format(report, 'remaining');
    assert.match(later, /expired at the backup's instant already; --ttl persist/);
    assert.doesNotMatch(later, /--ttl remaining/);
  });

  test('speaks of a dry run as something that would be', () => {
    const text = format(reportOf({ selected: 1, overwritten: 1 }, { dryRun: true }));
    assert.match(text, /^Dry run of .*: nothing was written\n/);
    assert.match(text, /\nConflicts: 1 key would be overwritten in the target\n/);
  });

  test('lists problems, the first of them by name', () => {
    const problems = Array.from({ length: 30 }, (_, i) => ({
      db: 0,
      key: `k${i}`,
      code: 'TARGET_REFUSED',
      message: 'no',
    }));
    const report = reportOf({ selected: 99, failed: 99 }, { problems, problemCount: 99 });
    const text = format(report);
    assert.match(text, /\n99 problems:\n {2}db 0, key k0: TARGET_REFUSED: no\n/);
    assert.match(text, /key k19: .*\n {2}and 79 more/);
    assert.doesNotMatch(text, /k20/);
  });

  test('says that nothing was selected', () => {
    assert.match(format(reportOf({})), /\nNo key of the backup was selected\n/);
  });

  test('tells what became of functions and scripts', () => {
    const functions = { ...NO_FUNCTIONS, libraries: 3, restored: 2, skipped: 1, scripts: 4 };
    assert.match(
      format(reportOf({}, { functions })),
      /\nFunction libraries: 2 restored, 1 skipped\nCached scripts: 4 loaded\n/,
    );
  });
});

describe('isInexact', () => {
  test('counts failed keys, inexact keys and failed functions', () => {
    assert.equal(isInexact(reportOf({ selected: 2, restored: 1, expired: 1 })), false);
    assert.equal(isInexact(reportOf({ failed: 1 })), true);
    assert.equal(isInexact(reportOf({ inexact: 1 })), true);
    const functions = { ...NO_FUNCTIONS, libraries: 1, failed: 1 };
    assert.equal(isInexact(reportOf({}, { functions })), true);
  });
});
