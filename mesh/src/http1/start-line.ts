import type { FaultCode } from './errors.ts';
import type { MessageHead } from './head.ts';
import { VersionReader } from './version-reader.ts';

/** The state in which every start line begins, and the one in which it has been read. */
export const FIRST = 0;
export const DONE = -1;

/** Reads the first line of a head from wherever the last bytes ended, in steps that are states of the two kinds of line. */
export abstract class StartLineReader {
  fault: FaultCode | undefined;
  protected state: number = FIRST;
  private readonly line: MessageHead;
  private readonly version: VersionReader = new VersionReader();

  protected constructor(head: MessageHead) {
    this.line = head;
  }

  /** The line with its end has been read. */
  get done(): boolean {
    return this.state === DONE;
  }

  begin(): void {
    this.state = FIRST;
    this.fault = undefined;
    this.version.begin();
  }

  /** Reads on at `from`; says where it stopped: at `stop`, after the line, or at the byte of a fault. */
  read(bytes: Buffer, from: number, stop: number): number {
    let at = from;
    while (at < stop && this.state !== DONE) {
      at = this.step(bytes, at, stop);
      if (this.fault !== undefined) return at;
    }
    return at;
  }

  /** The bytes were copied to where every position is `by` less. */
  abstract moveBack(by: number): void;

  /** There is a byte at `at`. */
  protected abstract step(bytes: Buffer, at: number, stop: number): number;

  protected readVersion(bytes: Buffer, from: number, stop: number, next: number): number {
    const { version } = this;
    const at = version.read(bytes, from, stop);
    if (version.fault !== undefined) return this.fail(version.fault, at);
    if (!version.done) return at;
    this.line.versionMinor = version.minor;
    this.state = next;
    return at;
  }

  protected expect(bytes: Buffer, at: number, byte: number, next: number, otherwise: FaultCode): number {
    if (bytes[at] !== byte) return this.fail(otherwise, at);
    this.state = next;
    return at + 1;
  }

  protected fail(code: FaultCode, at: number): number {
    this.fault = code;
    return at;
  }
}
