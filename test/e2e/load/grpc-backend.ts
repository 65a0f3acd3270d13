import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import type { BackendServer } from './backend-server.ts';
import { echoOf } from './check-answer.ts';
import { ECHO_METHOD } from './grpc-messages.ts';

const bytesOf = (text: string): Buffer => Buffer.from(text);
const textOf = (bytes: Buffer): string => bytes.toString();

/** The echo service on grpc-js, as an application would have it. */
export async function openGrpcBackend(name: string, port: number): Promise<BackendServer> {
  const server = new Server();
  const calls = new Set<ServerDuplexStream<string, string>>();
  const exchange = (call: ServerDuplexStream<string, string>): void => {
    calls.add(call);
    const over = (): void => void calls.delete(call);
    call.on('error', over);
    call.on('cancelled', over);
    call.on('data', (text: string) => void call.write(echoOf(text, name)));
    call.on('end', () => {
      over();
      call.end();
    });
  };
  const method = {
    path: ECHO_METHOD,
    requestStream: true,
    responseStream: true,
    requestSerialize: bytesOf,
    requestDeserialize: textOf,
    responseSerialize: bytesOf,
    responseDeserialize: textOf,
  };
  server.addService({ exchange: method }, { exchange });
  const opened = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`[::]:${port}`, ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return {
    port: opened,
    // grpc-js has no farewell before it closes.
    farewell: () => {},
    close: () =>
      new Promise((resolve) => {
        server.tryShutdown(() => resolve());
      }),
    cut: () => {
      const count = calls.size;
      server.forceShutdown();
      return count;
    },
  };
}
