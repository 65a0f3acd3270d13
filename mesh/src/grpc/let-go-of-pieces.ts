import { StreamDecoder } from '@grpc/grpc-js/build/src/stream-decoder.js';

/**
 * The library keeps the pieces of the last message of a call until the next one begins. Of a stream on which a whole mesh came that is all
 * of it, once more, for as long as nothing changes. From the first call on, pieces are let go of as soon as they were put together, in
 * every call of the process. `let-go-of-pieces.test.ts` fails when the library is not as this expects.
 */
export function letGoOfPieces(): void {
  if (Object.hasOwn(StreamDecoder.prototype, LETS_GO)) return;
  const write = StreamDecoder.prototype.write;
  Object.assign(StreamDecoder.prototype, {
    [LETS_GO]: true,
    write(this: StreamDecoder, data: Buffer): Buffer[] {
      const messages = write.call(this, data);
      // Nothing of a message is there yet, or nothing of it is missing.
      if (Reflect.get(this, 'readMessageRemaining') === 0) Reflect.set(this, 'readPartialMessage', []);
      return messages;
    },
  });
}

const LETS_GO = Symbol('lets go of pieces');
