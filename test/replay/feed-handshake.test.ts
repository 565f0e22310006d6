import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { isCoded } from '../../src/base/index.ts';
import { Secret } from '../../src/redis/index.ts';
import { Feed, type FeedOptions, type FeedSource } from '../../src/replay/index.ts';
import { encodeCommand } from '../../src/resp/index.ts';

const REPLID = 'a1'.repeat(20);
const RDB = Buffer.from('REDIS0009 which nobody looks at');
const STREAM = encodeCommand(['SET', 'k', 'v']);
const SELECT = encodeCommand(['SELECT', 4]);

function source(): FeedSource {
  return {
    startDatabase: 4,
    streamBytes: STREAM.length,
    writeBase: async (_server, write) => {
      // The same bytes again and again: they are the feed's only until `write` resolves.
      const piece = Buffer.alloc(1);
      for (const byte of RDB) {
        piece[0] = byte;
        await write(piece);
      }
    },
    readStream: async function* () {
      yield { bytes: STREAM.subarray(0, 5), atMs: 1 };
      yield { bytes: STREAM.subarray(5), atMs: 2 };
    },
  };
}

const OPTIONS: FeedOptions = {
  source,
  server: { family: 'redis', version: '7.0.15' },
  replid: REPLID,
  offset: 1000,
};

/** A replica made by hand. */
class Replica {
  readonly socket: Socket;
  #heard = Buffer.alloc(0);
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.#heard = Buffer.concat([this.#heard, bytes]);
      this.#wake();
    });
    socket.on('error', () => {});
    socket.on('close', () => this.#wake());
  }

  say(text: string | Buffer): void {
    this.socket.write(text);
  }

  /** The next `count` characters, without the newlines before them. */
  async takes(count: number): Promise<string> {
    for (;;) {
      const heard = this.#heard.toString('latin1').replace(/^\n+/, '');
      if (heard.length >= count || this.socket.closed) {
        this.#heard = Buffer.from(heard.slice(count), 'latin1');
        return heard.slice(0, count);
      }
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async hears(expected: string | Buffer): Promise<void> {
    const wanted = Buffer.from(expected).toString('latin1');
    assert.equal(await this.takes(wanted.length), wanted);
  }

  async asks(command: readonly string[], answer: string): Promise<void> {
    this.say(encodeCommand(command));
    await this.hears(`${answer}\r\n`);
  }
}

async function listen(t: TestContext, options: Partial<FeedOptions> = {}): Promise<Feed> {
  const feed = await Feed.listen({ ...OPTIONS, ...options });
  t.after(() => feed.close());
  return feed;
}

async function attach(t: TestContext, feed: Feed): Promise<Replica> {
  const { host, port } = feed.address;
  const socket = connect({ host, port });
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  return new Replica(socket);
}

const GETACK = encodeCommand(['REPLCONF', 'GETACK', '*']);
const SENT = SELECT.length + STREAM.length;

test('Feed tells the length of the base to replicas that cannot do without', async (t) => {
  const feed = await listen(t);
  const replica = await attach(t, feed);
  // As Redis 4.0 begins.
  replica.say('PING\r\n');
  await replica.hears('+PONG\r\n');
  replica.say('REPLCONF listening-port 7001\r\n');
  await replica.hears('+OK\r\n');
  replica.say(`PSYNC ${'b2'.repeat(20)} 77\r\n`);
  await replica.hears(`+FULLRESYNC ${REPLID} 1000\r\n`);
  await replica.hears(`$${RDB.length}\r\n`);
  await replica.hears(RDB);
  await replica.hears(Buffer.concat([SELECT, STREAM, GETACK]));
  const fed = feed.fed();
  replica.say(encodeCommand(['REPLCONF', 'ACK', 1000 + SENT - 1]));
  replica.say(encodeCommand(['REPLCONF', 'ACK', 1000 + SENT]));
  const { offset, streamBytes, baseBytes } = await fed;
  assert.deepEqual(
    { offset, streamBytes, baseBytes },
    { offset: 1000 + SENT, streamBytes: STREAM.length, baseBytes: RDB.length },
  );
});

test('Feed frames the base with a mark, and waits behind it until it was found', async (t) => {
  const feed = await listen(t);
  const replica = await attach(t, feed);
  await replica.asks(['REPLPING'], '+PONG');
  await replica.asks(['REPLCONF', 'uuid', 'abc'], '-ERR unknown option');
  await replica.asks(['REPLCONF', 'version', '9.1.2'], '+OK');
  await replica.asks(['REPLCONF', 'capa', 'eof', 'capa', 'psync2', 'capa', 'dual-channel'], '+OK');
  await replica.asks(['SYNC'], '-ERR a feed needs PSYNC, of Redis 2.8 or newer');
  await replica.asks(
    ['GET', 'k'],
    '-ERR unknown command: this is a feed, which serves replicas only',
  );
  await replica.asks(['PSYNC', '?', '-1'], `+FULLRESYNC ${REPLID} 1000`);
  await replica.hears('$EOF:');
  const mark = await replica.takes(40);
  assert.match(mark, /^[0-9a-f]{40}$/);
  await replica.hears(`\r\n${RDB.toString()}${mark}`);
  assert.equal(feed.progress[0]?.phase, 'loading');
  replica.say(encodeCommand(['REPLCONF', 'ACK', 1000]));
  await replica.hears(Buffer.concat([SELECT, STREAM, GETACK]));
});

test('Feed serves nobody before the password, and nobody with another', async (t) => {
  const feed = await listen(t, { password: new Secret('right') });
  const replica = await attach(t, feed);
  await replica.asks(['PING'], '-NOAUTH Authentication required.');
  await replica.asks(['PSYNC', '?', '-1'], '-NOAUTH Authentication required.');
  await replica.asks(['AUTH', 'wrong'], '-WRONGPASS invalid password');
  await replica.asks(['AUTH', 'user', 'right'], '+OK');
  await replica.asks(['PING'], '+PONG');
});

test('Feed says when a replica leaves, is silent, or never comes', async (t) => {
  const gone = await listen(t);
  const replica = await attach(t, gone);
  await replica.asks(['PSYNC', '?', '-1'], `+FULLRESYNC ${REPLID} 1000`);
  replica.socket.destroy();
  await assert.rejects(gone.fed(), (error) => isCoded(error, 'FEED_LOST'));

  const still = await listen(t, { deadlines: { silenceMs: 50 } });
  const silent = await attach(t, still);
  await silent.asks(['PSYNC', '?', '-1'], `+FULLRESYNC ${REPLID} 1000`);
  await assert.rejects(still.fed(), (error) => {
    return isCoded(error, 'FEED_LOST') && error.message.includes('silent for 50 ms');
  });

  const alone = await listen(t, { deadlines: { attachMs: 20 } });
  await assert.rejects(alone.fed(), (error) => isCoded(error, 'FEED_REFUSED'));
  const stop = new AbortController();
  stop.abort();
  await assert.rejects((await listen(t)).fed(stop.signal), (error) =>
    isCoded(error, 'INTERRUPTED'),
  );
});

test('Feed closes on whoever is no replica', async (t) => {
  const feed = await listen(t);
  const stranger = await attach(t, feed);
  stranger.say('*1\r\n:oops\r\n');
  await once(stranger.socket, 'close');
  assert.deepEqual(feed.progress, []);
});

test('Feed keeps the replica waiting with newlines while the base is being made', async (t) => {
  const { promise: made, resolve } = Promise.withResolvers<void>();
  const feed = await listen(t, {
    source: () => ({
      ...source(),
      writeBase: async (server, write, signal) => {
        await made;
        await source().writeBase(server, write, signal);
      },
    }),
  });
  const replica = await attach(t, feed);
  await replica.asks(['PSYNC', '?', '-1'], `+FULLRESYNC ${REPLID} 1000`);
  const [newline] = (await once(replica.socket, 'data')) as [Buffer];
  assert.equal(newline.toString(), '\n');
  resolve();
  await replica.hears(`$${RDB.length}\r\n`);
});

test('Feed passes on why its source failed', async (t) => {
  const broken = new Error('the repository is gone');
  const feed = await listen(t, { source: () => Promise.reject(broken) });
  const replica = await attach(t, feed);
  replica.say('PSYNC ? -1\r\n');
  await assert.rejects(feed.fed(), broken);
});
