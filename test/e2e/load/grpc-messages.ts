/** The method of the echo service: a stream each way, every message comes back. */
export const ECHO_METHOD = '/ambit.load.Echo/Exchange';

const PREFIX_BYTES = 5;
const MESSAGE_BYTES_MAX = 1 << 16;

/** A gRPC message as it travels: not compressed, its length, its bytes. */
export function encodeMessage(text: string): Buffer {
  const message = Buffer.from(text);
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** Takes DATA as it comes, gives whole messages. */
export class MessageReader {
  #pending: Buffer = Buffer.alloc(0);

  /** @throws RangeError for a message that nobody here sends. */
  add(chunk: Buffer): readonly string[] {
    this.#pending = Buffer.concat([this.#pending, chunk]);
    const messages: string[] = [];
    for (;;) {
      if (this.#pending.length < PREFIX_BYTES) return messages;
      const length = this.#pending.readUInt32BE(1);
      if (this.#pending[0] !== 0 || length > MESSAGE_BYTES_MAX) throw new RangeError('not a message of the echo');
      if (this.#pending.length < PREFIX_BYTES + length) return messages;
      messages.push(this.#pending.toString('utf8', PREFIX_BYTES, PREFIX_BYTES + length));
      this.#pending = this.#pending.subarray(PREFIX_BYTES + length);
    }
  }
}
