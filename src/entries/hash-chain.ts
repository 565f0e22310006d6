/**
 * MurmurHash3 x86 128-bit over a sequence of texts and numbers: the state after one is the seed of
 * the next, so that the boundaries between them count. Not cryptographic: it tells values apart
 * that differ by accident.
 */
export class HashChain {
  #h1 = 0;
  #h2 = 0;
  #h3 = 0;
  #h4 = 0;
  /** Bytes of the present text; those not yet taken in wait in #rest. */
  #length = 0;
  readonly #rest = new Uint8Array(16);
  #waiting = 0;
  readonly #double = new Float64Array(1);
  readonly #doubleBytes = new Uint8Array(this.#double.buffer);
  readonly #word = new Uint8Array(8);

  begin(seed: number): void {
    this.#h1 = seed;
    this.#h2 = seed;
    this.#h3 = seed;
    this.#h4 = seed;
    this.#length = 0;
    this.#waiting = 0;
  }

  /** A piece of the present text; `endText` must follow the last. */
  bytes(bytes: Uint8Array, start: number, end: number): void {
    this.#length += end - start;
    let i = start;
    if (this.#waiting > 0) {
      while (this.#waiting < 16 && i < end) this.#rest[this.#waiting++] = bytes[i++];
      if (this.#waiting < 16) return;
      this.#block(this.#rest, 0);
      this.#waiting = 0;
    }
    for (; i + 16 <= end; i += 16) this.#block(bytes, i);
    while (i < end) this.#rest[this.#waiting++] = bytes[i++];
  }

  endText(): void {
    this.#rest.fill(0, this.#waiting);
    this.#tail();
    this.#finish();
    this.#length = 0;
    this.#waiting = 0;
  }

  text(bytes: Uint8Array): void {
    this.bytes(bytes, 0, bytes.length);
    this.endText();
  }

  ascii(text: string): void {
    this.text(Buffer.from(text, 'latin1'));
  }

  /** A non-negative integer up to 2^53. */
  number(value: number): void {
    const high = Math.floor(value / 0x1_0000_0000);
    for (let i = 0; i < 4; i++) {
      this.#word[i] = (value >>> (8 * i)) & 0xff;
      this.#word[4 + i] = (high >>> (8 * i)) & 0xff;
    }
    this.text(this.#word);
  }

  double(value: number): void {
    this.#double[0] = value;
    this.text(this.#doubleBytes);
  }

  /** Adds the state, word by word, modulo 2^32. */
  addTo(sum: Uint32Array): void {
    sum[0] += this.#h1;
    sum[1] += this.#h2;
    sum[2] += this.#h3;
    sum[3] += this.#h4;
  }

  /** Writes the state as 16 bytes: four words, each with its highest byte first. */
  write(out: Uint8Array, at: number): void {
    writeWord(out, at, this.#h1);
    writeWord(out, at + 4, this.#h2);
    writeWord(out, at + 8, this.#h3);
    writeWord(out, at + 12, this.#h4);
  }

  #block(bytes: Uint8Array, at: number): void {
    this.#h1 ^= mixWord(read(bytes, at), C1, 15, C2);
    this.#h1 = (Math.imul((rotate(this.#h1, 19) + this.#h2) | 0, 5) + 0x561ccd1b) | 0;
    this.#h2 ^= mixWord(read(bytes, at + 4), C2, 16, C3);
    this.#h2 = (Math.imul((rotate(this.#h2, 17) + this.#h3) | 0, 5) + 0x0bcaa747) | 0;
    this.#h3 ^= mixWord(read(bytes, at + 8), C3, 17, C4);
    this.#h3 = (Math.imul((rotate(this.#h3, 15) + this.#h4) | 0, 5) + 0x96cd1c35) | 0;
    this.#h4 ^= mixWord(read(bytes, at + 12), C4, 18, C1);
    this.#h4 = (Math.imul((rotate(this.#h4, 13) + this.#h1) | 0, 5) + 0x32ac3b17) | 0;
  }

  /** The last up to 15 bytes, padded with zeros, which mix to nothing. */
  #tail(): void {
    if (this.#waiting === 0) return;
    this.#h4 ^= mixWord(read(this.#rest, 12), C4, 18, C1);
    this.#h3 ^= mixWord(read(this.#rest, 8), C3, 17, C4);
    this.#h2 ^= mixWord(read(this.#rest, 4), C2, 16, C3);
    this.#h1 ^= mixWord(read(this.#rest, 0), C1, 15, C2);
  }

  #finish(): void {
    const length = this.#length | 0;
    let h1 = this.#h1 ^ length;
    let h2 = this.#h2 ^ length;
    let h3 = this.#h3 ^ length;
    let h4 = this.#h4 ^ length;
    h1 = (h1 + h2 + h3 + h4) | 0;
    h2 = (h2 + h1) | 0;
    h3 = (h3 + h1) | 0;
    h4 = (h4 + h1) | 0;
    h1 = finalize(h1);
    h2 = finalize(h2);
    h3 = finalize(h3);
    h4 = finalize(h4);
    this.#h1 = (h1 + h2 + h3 + h4) | 0;
    this.#h2 = (h2 + this.#h1) | 0;
    this.#h3 = (h3 + this.#h1) | 0;
    this.#h4 = (h4 + this.#h1) | 0;
  }
}

const C1 = 0x239b961b;
const C2 = 0xab0e9789 | 0;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93 | 0;

function read(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
}

function writeWord(out: Uint8Array, at: number, word: number): void {
  out[at] = word >>> 24;
  out[at + 1] = word >>> 16;
  out[at + 2] = word >>> 8;
  out[at + 3] = word;
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function mixWord(word: number, first: number, bits: number, second: number): number {
  return Math.imul(rotate(Math.imul(word, first), bits), second);
}

function finalize(value: number): number {
  let h = value ^ (value >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}
