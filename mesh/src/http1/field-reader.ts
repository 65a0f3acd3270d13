import { COLON, CR, FIELD_VALUE, HT, LF, SP, TOKEN } from './characters.ts';
import type { FaultCode } from './errors.ts';
import type { FieldBlock } from './field-block.ts';

const LINE = 0;
const NAME = 1;
const SPACE = 2;
const VALUE = 3;
const VALUE_LF = 4;
const END_LF = 5;
const DONE = 6;

/**
 * Reads field lines up to the empty line, from wherever the last bytes ended: no byte is looked at twice, however small
 * the pieces.
 */
export class FieldReader {
  fault: FaultCode | undefined;
  private readonly block: FieldBlock;
  private readonly countMax: number;
  private state = LINE;
  private nameStart = 0;
  private nameEnd = 0;
  private valueStart = 0;

  constructor(block: FieldBlock, countMax: number) {
    this.block = block;
    this.countMax = countMax;
  }

  /** The empty line has been read. */
  get done(): boolean {
    return this.state === DONE;
  }

  begin(): void {
    this.state = LINE;
    this.fault = undefined;
    this.block.clear();
  }

  moveBack(by: number): void {
    this.nameStart -= by;
    this.nameEnd -= by;
    this.valueStart -= by;
    this.block.moveBack(by);
  }

  /** Reads on at `from`; says where it stopped: at `stop`, after the empty line, or at the byte of a fault. */
  read(bytes: Buffer, from: number, stop: number): number {
    let at = from;
    let { state, nameStart, nameEnd, valueStart } = this;
    while (at < stop) {
      if (state === LINE) {
        const first = bytes[at] ?? 0;
        if (first === CR) {
          state = END_LF;
          at += 1;
          continue;
        }
        if (first === SP || first === HT) return this.fail('obs-fold', at);
        if (this.block.count === this.countMax) return this.fail('field-count', at);
        nameStart = at;
        state = NAME;
      }
      if (state === NAME) {
        while (at < stop && TOKEN[bytes[at] ?? 0] === 1) at += 1;
        if (at === stop) break;
        if (bytes[at] !== COLON || at === nameStart) return this.fail(nameFault(bytes[at], at === nameStart), at);
        nameEnd = at;
        at += 1;
        state = SPACE;
      }
      if (state === SPACE) {
        while (at < stop && (bytes[at] === SP || bytes[at] === HT)) at += 1;
        if (at === stop) break;
        valueStart = at;
        state = VALUE;
      }
      if (state === VALUE) {
        while (at < stop && FIELD_VALUE[bytes[at] ?? 0] === 1) at += 1;
        if (at === stop) break;
        if (bytes[at] !== CR) return this.fail(bytes[at] === LF ? 'line-end' : 'field-value', at);
        at += 1;
        state = VALUE_LF;
        if (at === stop) break;
      }
      if (bytes[at] !== LF) return this.fail('line-end', at);
      at += 1;
      if (state === END_LF) {
        state = DONE;
        break;
      }
      this.add(bytes, nameStart, nameEnd, valueStart, at - 2);
      state = LINE;
    }
    this.state = state;
    this.nameStart = nameStart;
    this.nameEnd = nameEnd;
    this.valueStart = valueStart;
    return at;
  }

  private add(bytes: Buffer, nameStart: number, nameEnd: number, valueStart: number, lineEnd: number): void {
    let valueEnd = lineEnd;
    while (valueEnd > valueStart && (bytes[valueEnd - 1] === SP || bytes[valueEnd - 1] === HT)) valueEnd -= 1;
    this.block.add(nameStart, nameEnd, valueStart, valueEnd);
  }

  private fail(code: FaultCode, at: number): number {
    this.fault = code;
    return at;
  }
}

function nameFault(byte: number | undefined, empty: boolean): FaultCode {
  if (empty) return byte === LF ? 'line-end' : 'field-name';
  if (byte === SP || byte === HT) return 'space-before-colon';
  return 'field-name';
}
