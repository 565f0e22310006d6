/** What the keys below a prefix amount to. */
export type PrefixNode = {
  /** The prefix with its separator at the end; `*` stands for many different parts. */
  readonly prefix: string;
  readonly keys: number;
  /** Bytes as JSON Lines. */
  readonly bytes: number;
  readonly expiring: number;
  /** The largest first. */
  readonly children: readonly PrefixNode[];
};

type Node = {
  keys: number;
  bytes: number;
  expiring: number;
  children: Map<string, Node> | undefined;
  /** It had more children than are kept apart: all go to one, `*`. */
  wide: boolean;
};

export type PrefixTreeOptions = {
  /** The byte between the parts of a key. */
  readonly separator: number;
  /** How many parts are looked at. */
  readonly depth: number;
};

/** More different parts than this below one prefix are ids, not names. */
const MAX_CHILDREN = 100;

/** When the whole tree has more, fewer children are kept apart everywhere. */
const MAX_NODES = 50_000;
const MIN_CHILDREN = 4;

const ANY = '*';

/**
 * Sums of keys by prefix, in bounded memory: where the parts below a prefix are too many to be
 * names, as in `user:<id>:cart`, they become one, `user:*:cart`. Parts are kept as latin1, a
 * character for a byte.
 */
export class PrefixTree {
  readonly #options: PrefixTreeOptions;
  readonly #root: Node = emptyNode();
  #nodes = 0;
  #maxChildren = MAX_CHILDREN;

  constructor(options: PrefixTreeOptions) {
    this.#options = options;
  }

  /** Adds the key `[start, end)` of `key`. What comes behind its last separator is no prefix. */
  add(key: Buffer, start: number, end: number, bytes: number, expires: boolean): void {
    const { separator, depth } = this.#options;
    while (this.#nodes > MAX_NODES && this.#maxChildren > MIN_CHILDREN) {
      this.#maxChildren >>>= 1;
      this.#narrow(this.#root);
    }
    let node = this.#root;
    let from = start;
    for (let level = 0; level < depth; level++) {
      let to = from;
      while (to < end && key[to] !== separator) to++;
      if (to === end) break;
      node = this.#child(node, key, from, to);
      node.keys++;
      node.bytes += bytes;
      if (expires) node.expiring++;
      from = to + 1;
    }
  }

  /** `show` makes text of a prefix's bytes. */
  result(show: (prefix: Buffer) => string): PrefixNode[] {
    const separator = String.fromCharCode(this.#options.separator);
    const convert = (node: Node, before: string): PrefixNode[] =>
      [...(node.children ?? [])]
        .map(([part, child]) => {
          const path = before + part + separator;
          const prefix = show(Buffer.from(path, 'latin1'));
          const { keys, bytes, expiring } = child;
          return { prefix, keys, bytes, expiring, children: convert(child, path) };
        })
        .sort((a, b) => b.bytes - a.bytes || (a.prefix < b.prefix ? -1 : 1));
    return convert(this.#root, '');
  }

  #child(node: Node, key: Buffer, from: number, to: number): Node {
    node.children ??= new Map();
    const part = node.wide ? ANY : key.toString('latin1', from, to);
    const known = node.children.get(part);
    if (known !== undefined) return known;
    if (!node.wide && node.children.size >= this.#maxChildren) {
      this.#widen(node);
      return this.#child(node, key, from, to);
    }
    const child = emptyNode();
    node.children.set(part, child);
    this.#nodes++;
    return child;
  }

  /** One child instead of many. */
  #widen(node: Node): void {
    const all = emptyNode();
    for (const child of node.children?.values() ?? []) {
      this.#nodes--;
      this.#merge(all, child);
    }
    this.#nodes++;
    node.children = new Map([[ANY, all]]);
    node.wide = true;
    this.#limit(all);
  }

  #narrow(node: Node): void {
    for (const child of node.children?.values() ?? []) this.#narrow(child);
    this.#limit(node);
  }

  #limit(node: Node): void {
    if (!node.wide && (node.children?.size ?? 0) > this.#maxChildren) this.#widen(node);
  }

  #merge(into: Node, from: Node): void {
    into.keys += from.keys;
    into.bytes += from.bytes;
    into.expiring += from.expiring;
    if (from.children === undefined) return;
    into.children ??= new Map();
    if (from.wide) into.wide = true;
    for (const [part, child] of from.children) {
      const known = into.children.get(part);
      if (known === undefined) into.children.set(part, child);
      else {
        this.#nodes--;
        this.#merge(known, child);
      }
    }
    // One of them was wide: the others' parts join it.
    if (into.wide && into.children.size > 1) {
      into.wide = false;
      this.#widen(into);
    }
  }
}

function emptyNode(): Node {
  return { keys: 0, bytes: 0, expiring: 0, children: undefined, wide: false };
}
