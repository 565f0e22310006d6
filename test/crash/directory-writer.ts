/**
 * A process to be killed: writes objects of random sizes for ever, and tells on stdout the name of
 * each that the storage said is durable.
 */
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { writeSync } from 'node:fs';
import { DirectoryStorage } from '../../src/storage/index.ts';

const storage = new DirectoryStorage(process.argv[2]);
for (let i = 0; ; i++) {
  const bytes = randomBytes(randomInt(0, 200_000));
  const digest = createHash('sha256').update(bytes).digest('hex');
  const name = `objects/${i % 7}/${digest}`;
  const writer = await storage.create(name);
  for (let at = 0; at < bytes.length; at += 30_000)
    await writer.write(bytes.subarray(at, at + 30_000));
  await writer.commit();
  writeSync(1, `${name}\n`);
}
