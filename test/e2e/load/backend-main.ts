/**
 * A backend in a process of its own: `node backend-main.ts OPTIONS`, options as JSON (backend-protocol.ts). Takes its leave on
 * SIGTERM: not ready any more, asks clients to go, accepts no more, waits for streams, ends. Ends at once when standard input does.
 */
import { createServer } from 'node:http';
import type { BackendEvent, BackendOptions, BackendPorts } from './backend-protocol.ts';
import { type BackendServer, listenOn } from './backend-server.ts';
import { openGrpcBackend } from './grpc-backend.ts';
import { openHttp1Backend } from './http1-backend.ts';
import { openHttp2Backend } from './http2-backend.ts';
import { openTcpBackend } from './tcp-backend.ts';

const OPENERS = {
  http: openHttp1Backend,
  http2: openHttp2Backend,
  grpc: openGrpcBackend,
  tcp: openTcpBackend,
} as const;

const options = JSON.parse(process.argv[2] ?? '{}') as BackendOptions; // lint: our own test passes it
const tell = (event: BackendEvent): Promise<void> =>
  new Promise((resolve) => process.stdout.write(`${JSON.stringify(event)}\n`, () => resolve()));
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

let isReady = true;
const wanted = { http: options.httpPort, http2: options.http2Port, grpc: options.grpcPort, tcp: options.tcpPort };
const servers: BackendServer[] = [];
const ports: Record<string, number> = {};
for (const [kind, port] of Object.entries(wanted)) {
  if (port === undefined) continue;
  const server = await OPENERS[kind as keyof typeof OPENERS](options.name, port); // lint: the keys are the same
  servers.push(server);
  ports[kind] = server.port;
}
if (options.readinessPort !== undefined) {
  const readiness = createServer((_, response) => {
    response.statusCode = isReady ? 200 : 503;
    response.end();
  });
  ports['readiness'] = await listenOn(readiness, options.readinessPort);
}

async function leave(): Promise<never> {
  isReady = false;
  await tell({ event: 'draining' });
  for (const server of servers) server.farewell();
  await sleep(options.lameDuckMs);
  const closed = Promise.all(servers.map((server) => server.close())).then(() => 0);
  const overdue = sleep(options.drainMs).then(() => servers.reduce((sum, server) => sum + server.cut(), 0));
  const cut = await Promise.race([closed, overdue]);
  await tell({ event: 'drained', cut });
  process.exit(0);
}

process.once('SIGTERM', () => void leave());
// Nobody is left who would end it.
process.stdin.once('close', () => process.exit(0)).resume();
void tell({ event: 'listening', ports: ports as BackendPorts });
