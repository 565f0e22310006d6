import type { KeyModel, Model } from './model.ts';

/**
 * Finds out from the data of the checkable load alone after which of its operations the data was
 * taken: the largest operation number in it. Throws when the keys that one transaction sets
 * together disagree, for then the data is of no single instant.
 */
export function identifyOperation(model: Model): number {
  let latest = 0;
  const together = new Map<number, string[]>();
  for (const key of model.keys.values()) {
    const numbers = numbersIn(key);
    for (const number of numbers) latest = Math.max(latest, number);
    if (!key.key.includes(':all:')) continue;
    const newest = Math.max(...numbers);
    together.set(newest, [...(together.get(newest) ?? []), `${key.db} ${key.key}`]);
  }
  if (together.size > 1) {
    const seen = [...together].map(([number, keys]) => `${number} in ${keys.join(', ')}`);
    throw new Error(`Not of one instant: ${seen.join('; ')}`);
  }
  return latest;
}

function numbersIn({ value }: KeyModel): number[] {
  switch (value.kind) {
    case 'string':
      return [Number.parseInt(value.bytes, 10)];
    case 'list':
      return value.items.map(Number);
    case 'set':
      return value.members.map(Number);
    case 'hash':
      return value.fields.map(([, text]) => Number(text));
    case 'zset':
      return value.members.map(([, bits]) => Buffer.from(bits, 'hex').readDoubleBE());
    case 'stream':
      return value.stream.entries.map(([id]) => Number.parseInt(id, 10));
    default:
      return [];
  }
}
