import type { Carrier, CarrierReader } from '@ambit/mesh/hbone';
import { RequestReader } from '@ambit/mesh/http1';

const PIECE: Buffer = Buffer.alloc(64 * 1024, 'x');
const SIZED_PATH = '/bytes/';

/** The HTTP/1.1 side of the sink. */
export class SinkHttp1 implements CarrierReader {
  readonly #carrier: Carrier;
  readonly #answer: Buffer;
  readonly #reader = new RequestReader();
  /** Of a body that was asked for. */
  #unsent = 0;
  #asked = 0;

  constructor(carrier: Carrier, body: Buffer) {
    this.#carrier = carrier;
    this.#answer = Buffer.concat([headOf(body.length), body]);
  }

  onBytes(memory: Buffer, start: number, end: number): void {
    const reader = this.#reader;
    for (let at = start; ; at = reader.at) {
      const step = reader.read(memory, at, end);
      if (step === 'more') return;
      if (step === 'head') this.#asked = sizeAskedBy(reader.head.bytes, reader.head.pathStart, reader.head.pathEnd);
      else if (step === 'end') this.#respond();
      else if (step === 'fault') return this.#carrier.reset();
    }
  }

  onDrain(): void {
    this.#send();
  }

  onEnd(): void {
    this.#carrier.end();
  }

  onClose(): void {
    this.#unsent = 0;
  }

  #respond(): void {
    if (this.#asked === 0) {
      this.#carrier.write(this.#answer);
      return;
    }
    this.#carrier.write(headOf(this.#asked));
    this.#unsent = this.#asked;
    this.#send();
  }

  #send(): void {
    while (this.#unsent > 0) {
      const length = Math.min(PIECE.length, this.#unsent);
      this.#unsent -= length;
      if (!this.#carrier.write(PIECE, 0, length)) return;
    }
  }
}

/** 0 for all but sized paths. */
function sizeAskedBy(bytes: Buffer, start: number, end: number): number {
  // Told apart by its second letter, so that the usual path is not made text.
  if (bytes[start + 1] !== SIZED_PATH.charCodeAt(1)) return 0;
  const path = bytes.toString('latin1', start, end);
  return path.startsWith(SIZED_PATH) ? Number(path.slice(SIZED_PATH.length)) : 0;
}

function headOf(length: number): Buffer {
  return Buffer.from(
    `HTTP/1.1 200 OK\r\nServer: sink\r\nContent-Type: text/plain\r\nContent-Length: ${length}\r\n\r\n`,
  );
}
