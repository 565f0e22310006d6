import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CollectingStream } from '../../../test/cli/fake-terminal.ts';
import { ProgressMeter } from './progress-meter.ts';

describe('ProgressMeter', () => {
  test('draws over one line on a terminal and takes it away', () => {
    const stream = new CollectingStream(true);
    const meter = new ProgressMeter(stream, false);
    meter.show(() => 'one');
    meter.show(() => 'two');
    meter.draw();
    meter.note('said');
    meter.end();
    meter.end();
    const clear = '\r\u001b[K';
    assert.equal(stream.text, `\rone\u001b[K\rtwo\u001b[K${clear}said\n\rtwo\u001b[K${clear}`);
  });

  test('never lets the line wrap', () => {
    const stream = new CollectingStream(true);
    const meter = new ProgressMeter(stream, false);
    meter.show(() => 'x'.repeat(500));
    meter.end();
    assert.equal(stream.text.match(/x/g)?.length, stream.columns - 1);
  });

  test('writes whole lines elsewhere, and none twice', () => {
    const stream = new CollectingStream();
    const meter = new ProgressMeter(stream, false);
    meter.show(() => 'one');
    meter.draw();
    meter.draw();
    meter.note('said');
    meter.end();
    assert.equal(stream.text, 'one\nsaid\n');
  });

  test('says nothing when quiet', () => {
    const stream = new CollectingStream(true);
    const meter = new ProgressMeter(stream, true);
    meter.show(() => 'one');
    meter.draw();
    meter.note('said');
    meter.end();
    assert.equal(stream.text, '');
  });
});
