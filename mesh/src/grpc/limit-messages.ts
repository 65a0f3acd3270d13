import { type ServerInterceptor, ServerInterceptingCall } from '@grpc/grpc-js';
import { bug } from '../runtime/errors.ts';

/**
 * Gives each method a limit of its own for messages that it receives: the library has one for all of them. It sets two
 * fields of the library's, which the tests of this folder and of the running server notice if they are others one day: what
 * is on the wire is bounded by the decoder's, what is decompressed from it by the call's.
 */
export function limitMessages(bytesMaxOf: (path: string) => number): ServerInterceptor {
  return ({ path }, call) => {
    const bytesMax = bytesMaxOf(path);
    const decoder: unknown = Reflect.get(call, 'decoder');
    setNumber(decoder, 'maxReadMessageLength', bytesMax);
    setNumber(call, 'maxReceiveMessageSize', bytesMax);
    return new ServerInterceptingCall(call);
  };
}

function setNumber(target: unknown, name: string, value: number): void {
  if (typeof target !== 'object' || target === null || typeof Reflect.get(target, name) !== 'number') {
    bug(`@grpc/grpc-js has no ${name} where it had one`);
  }
  Reflect.set(target, name, value);
}
