import { assert } from '../../base/index.ts';
import { TYPE } from '../format.ts';
import { DOUBLE_TEXT_BYTES, formatDouble } from '../numbers/format-double.ts';
import { CompactBox } from './compact-box.ts';
import { appendLength, appendString } from './length.ts';
import { LIMIT } from './target-format.ts';
import { TextStage } from './text-stage.ts';
import type { ValueBuffer } from './value-buffer.ts';

const INFINITY = Buffer.from('inf');
const MINUS_INFINITY = Buffer.from('-inf');
const MINUS_ZERO = Buffer.from('-0');
/** Lengths that stand for an infinity in type 3. */
const TEXT_PLUS_INFINITY = 254;
const TEXT_MINUS_INFINITY = 255;

/**
 * Sorted sets. Small ones are staged, since the compact form must be in ascending order and most
 * producers give them descending; larger ones are written as they come.
 */
export class ZsetEncoder {
  readonly #buffer: ValueBuffer;
  readonly #box: CompactBox;
  readonly #stage = new TextStage();
  readonly #scores = new Float64Array(LIMIT.zsetMembers);
  readonly #scoreText = new Uint8Array(DOUBLE_TEXT_BYTES);
  readonly #double = Buffer.alloc(8);
  #staged = true;
  #count = 0;
  #declared = -1;

  constructor(buffer: ValueBuffer) {
    this.#buffer = buffer;
    this.#box = new CompactBox(buffer.out, buffer.format);
  }

  begin(count: number): void {
    this.#staged = count <= LIMIT.zsetMembers;
    this.#count = 0;
    this.#declared = count;
    this.#stage.clear();
  }

  text(bytes: Uint8Array, start: number, end: number): void {
    this.#count++;
    if (this.#staged) {
      if (end - start <= LIMIT.textBytes && this.#count <= LIMIT.zsetMembers) {
        this.#stage.add(bytes, start, end);
        return;
      }
      this.#unstage();
    }
    appendString(this.#buffer.out, bytes, start, end);
  }

  longText(total: number): boolean {
    this.#count++;
    if (this.#staged) this.#unstage();
    appendLength(this.#buffer.out, total);
    return true;
  }

  score(value: number): void {
    if (this.#staged) this.#scores[this.#count - 1] = value;
    else this.#appendScore(value);
  }

  settle(): boolean {
    if (this.#staged || this.#declared < 0) return false;
    this.#buffer.sealCounted(this.#genericType, this.#declared);
    return true;
  }

  end(): void {
    const buffer = this.#buffer;
    if (buffer.draining) {
      assert(this.#count === this.#declared, 'a zset has as many members as its producer said');
    } else if (this.#staged) {
      this.#appendCompact();
      buffer.sealContainer(buffer.format.listpacks ? TYPE.zsetListpack : TYPE.zsetZiplist);
    } else {
      buffer.sealCounted(this.#genericType, this.#count);
    }
  }

  get #genericType(): number {
    return this.#buffer.format.binaryScores ? TYPE.zset : TYPE.zsetText;
  }

  #unstage(): void {
    this.#staged = false;
    const stage = this.#stage;
    for (let i = 0; i < stage.count; i++) {
      appendString(this.#buffer.out, stage.bytes, stage.start(i), stage.end(i));
      this.#appendScore(this.#scores[i]);
    }
  }

  #appendCompact(): void {
    const { count } = this.#stage;
    this.#box.builder.begin();
    if (this.#isOrdered(1)) {
      for (let i = 0; i < count; i++) this.#appendPair(i);
    } else if (this.#isOrdered(-1)) {
      for (let i = count - 1; i >= 0; i--) this.#appendPair(i);
    } else {
      const order = Uint8Array.from({ length: count }, (_, i) => i);
      for (const i of order.sort((a, b) => this.#compare(a, b))) this.#appendPair(i);
    }
    this.#box.builder.finish();
  }

  #isOrdered(direction: number): boolean {
    for (let i = 1; i < this.#stage.count; i++) {
      if (this.#compare(i - 1, i) * direction > 0) return false;
    }
    return true;
  }

  #compare(a: number, b: number): number {
    const scoreA = this.#scores[a];
    const scoreB = this.#scores[b];
    if (scoreA < scoreB) return -1;
    return scoreA > scoreB ? 1 : this.#stage.compare(a, b);
  }

  #appendPair(index: number): void {
    const stage = this.#stage;
    const { builder } = this.#box;
    builder.text(stage.bytes, stage.start(index), stage.end(index));
    const score = this.#scores[index];
    if (Object.is(score, -0)) builder.text(MINUS_ZERO, 0, MINUS_ZERO.length);
    else if (Number.isSafeInteger(score)) builder.integer(score);
    else if (score === Number.POSITIVE_INFINITY) builder.text(INFINITY, 0, INFINITY.length);
    else if (score === Number.NEGATIVE_INFINITY) {
      builder.text(MINUS_INFINITY, 0, MINUS_INFINITY.length);
    } else builder.text(this.#scoreText, 0, formatDouble(score, this.#scoreText, 0));
  }

  #appendScore(score: number): void {
    const { out, format } = this.#buffer;
    if (format.binaryScores) {
      this.#double.writeDoubleLE(score, 0);
      out.append(this.#double);
    } else if (score === Number.POSITIVE_INFINITY) out.byte(TEXT_PLUS_INFINITY);
    else if (score === Number.NEGATIVE_INFINITY) out.byte(TEXT_MINUS_INFINITY);
    else {
      const size = formatDouble(score, this.#scoreText, 0);
      out.byte(size);
      out.append(this.#scoreText, 0, size);
    }
  }
}
