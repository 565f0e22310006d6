import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CodedError, isCoded } from '../base/index.ts';
import { parseAddress, type RawHandlers, type RedisConnection } from '../redis/index.ts';
import { encodeCommand } from '../resp/index.ts';
import { Pipeline } from './pipeline.ts';

/** A connection whose other end is the test. */
class FakeLink {
  readonly written: string[] = [];
  queuedBytes = 0;
  isClosed = false;
  #handlers: RawHandlers | undefined;

  connection(): RedisConnection {
    const unexpected = (): never => assert.fail('no command is sent beside the pipeline');
    return {
      address: parseAddress('redis://127.0.0.1'),
      peer: 'fake',
      isOpen: true,
      command: unexpected,
      attempt: unexpected,
      pipeline: unexpected,
      close: () => {},
      detach: (handlers) => {
        this.#handlers = handlers;
        const queued = (): number => this.queuedBytes;
        return {
          write: (bytes) => {
            this.written.push(Buffer.from(bytes).toString('latin1'));
            return true;
          },
          get queuedBytes() {
            return queued();
          },
          pause: () => {},
          resume: () => {},
          isPaused: false,
          close: () => {
            this.isClosed = true;
          },
        };
      },
    };
  }

  reply(text: string): void {
    const bytes = Buffer.from(text);
    this.#handlers?.onBytes(bytes, 0, bytes.length);
  }

  drain(): void {
    this.queuedBytes = 0;
    this.#handlers?.onDrain?.();
  }

  end(): void {
    this.#handlers?.onEnd(new CodedError('TARGET_LOST', 'gone'));
  }
}

const PING = encodeCommand(['PING']);

function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending');
  return Promise.race([promise, Promise.resolve(pending)]).then((value) => value === pending);
}

describe('Pipeline', () => {
  test('resolves each batch when its last reply has come, with the odd ones', async () => {
    const link = new FakeLink();
    const pipeline = new Pipeline(link.connection());
    const first = pipeline.send(Buffer.concat([PING, PING, PING]), 3);
    const second = pipeline.send(PING, 1);
    link.reply('+OK\r\n$-1\r\n-BUSYKEY Tar');
    assert.equal(await isPending(first), true);
    link.reply('get\r\n:1');
    assert.deepEqual(
      (await first).map(({ index, kind }) => [index, kind]),
      [
        [1, 'null'],
        [2, 'error'],
      ],
    );
    assert.equal(await isPending(second), true);
    link.reply('\r\n');
    assert.deepEqual(await second, [{ index: 0, kind: 'integer', text: '1' }]);
    assert.deepEqual(await pipeline.send(new Uint8Array(0), 0), []);
    pipeline.close();
  });

  test('selects a database once, and says when it cannot', async () => {
    const link = new FakeLink();
    const pipeline = new Pipeline(link.connection());
    await pipeline.select(0);
    assert.deepEqual(link.written, []);
    const selected = pipeline.select(3);
    link.reply('+OK\r\n');
    await selected;
    await pipeline.select(3);
    assert.deepEqual(link.written, ['*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n']);
    const refused = pipeline.select(99);
    link.reply('-ERR DB index is out of range\r\n');
    await assert.rejects(refused, (error) => isCoded(error, 'TARGET_UNSUITABLE'));
    pipeline.close();
  });

  test('is ready when little is queued', async () => {
    const link = new FakeLink();
    const pipeline = new Pipeline(link.connection());
    await pipeline.ready();
    link.queuedBytes = 64 << 20;
    const ready = pipeline.ready();
    assert.equal(await isPending(ready), true);
    link.drain();
    await ready;
    pipeline.close();
  });

  test('fails all that waits when the link ends, and all that comes after', async () => {
    const link = new FakeLink();
    const pipeline = new Pipeline(link.connection());
    const sent = [pipeline.send(PING, 1), pipeline.send(PING, 1)];
    link.queuedBytes = 64 << 20;
    const ready = pipeline.ready();
    const waiting = [...sent, ready].map((promise) =>
      assert.rejects(promise, (error) => isCoded(error, 'TARGET_LOST')),
    );
    link.end();
    await Promise.all(waiting);
    await assert.rejects(pipeline.send(PING, 1), (error) => isCoded(error, 'TARGET_LOST'));
  });

  test('gives up a target that stays silent while it owes replies', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const link = new FakeLink();
    const pipeline = new Pipeline(link.connection());
    const sent = pipeline.send(Buffer.concat([PING, PING]), 2);
    t.mock.timers.tick(59_000);
    assert.equal(await isPending(sent), true);
    const lost = assert.rejects(sent, (error) => isCoded(error, 'TARGET_LOST'));
    t.mock.timers.tick(1000);
    await lost;
    assert.ok(link.isClosed);
  });

  test('closes the link over bytes that are no reply', async () => {
    const link = new FakeLink();
    const pipeline = new Pipeline(link.connection());
    const sent = pipeline.send(PING, 1);
    link.reply('HTTP/1.1 400 Bad Request\r\n');
    await assert.rejects(sent, (error) => isCoded(error, 'RESP_INVALID'));
    assert.ok(link.isClosed);
  });
});
