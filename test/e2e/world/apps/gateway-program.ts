import { once } from 'node:events';
import net from 'node:net';
import { createCaClient, openControllerAccess, requestSvid } from '@ambit/mesh/grpc';
import { parseSpiffeId } from '@ambit/mesh/model';
import { silentLogger, systemClock } from '@ambit/mesh/runtime';
import { NetworkGateway } from '@ambit/mesh/testing';

/** What the gateway program is told, as JSON. */
export interface GatewayProgramOptions {
  /** The node it runs on, and where that node keeps its certificate. */
  readonly node: string;
  readonly stateDirectory: string;
  readonly controller: string;
  /** Of a pod of that node. */
  readonly identity: string;
  readonly port: number;
  /** By authority: `ip:port`. */
  readonly routes: Readonly<Record<string, string>>;
}

/** The gateway of a network on a host: gets its certificate by the node's, says a line when it listens and one for each tunnel. */
async function main(options: GatewayProgramOptions): Promise<void> {
  const { node, stateDirectory, routes } = options;
  const stop = new AbortController();
  const access = await openControllerAccess(
    {
      ...{ address: options.controller, serverName: 'controller.ambit.dev', stateDirectory },
      ...{ joinTokenFile: undefined, bearer: undefined },
    },
    { node, headers: {}, clock: systemClock, logger: silentLogger, signal: stop.signal, running: [] },
  );
  using client = createCaClient(access);
  const wanted = { identity: parseSpiffeId(options.identity), validitySeconds: 3600 };
  const gateway = new NetworkGateway({
    svid: await requestSvid(client, wanted, stop.signal),
    route: (authority) => routes[authority] ?? null,
    dial: ({ ip, port }) => net.connect({ host: ip, port }),
    onAsked: ({ authority, peer }) => console.log(`${authority} ${peer}`),
  });
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => gateway.accept(socket));
  server.listen({ host: '::', port: options.port });
  await once(server, 'listening');
  console.log('listening');
  // It ends with whoever started it.
  process.stdin.resume().on('end', () => process.exit());
}

await main(JSON.parse(process.argv[2] ?? '{}'));
