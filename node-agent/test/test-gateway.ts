import { once } from 'node:events';
import net from 'node:net';
import { dialInNetns, listenInNetns } from '@ambit/mesh/linux';
import { type SpiffeId, workloadIdentity } from '@ambit/mesh/model';
import { type AskedOfGateway, NetworkGateway } from '@ambit/mesh/testing';
import type { PodWorld } from './pod-world.ts';

/** What a gateway of a network did. */
export interface TestGateway extends AsyncDisposable {
  readonly connectionCount: number;
  readonly asked: readonly AskedOfGateway[];
}

/** A gateway in the pod `name`, on port 15008, as `identity` if that is given. */
export async function startGateway(
  world: PodWorld,
  name: string,
  route: (authority: string, turn: number) => string | null,
  identity: SpiffeId = workloadIdentity(world.pod(name).workload),
): Promise<TestGateway> {
  const pod = world.pod(name);
  const asked: AskedOfGateway[] = [];
  const gateway = new NetworkGateway({
    svid: world.ca.issue(identity),
    route: (authority) => route(authority, asked.length - 1),
    dial: (destination) => dialInNetns(pod.handle, { destination }),
    onAsked: (one) => void asked.push(one),
  });
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => gateway.accept(socket));
  server.on('error', () => {}).listen({ fd: listenInNetns(pod.handle, { address: 'wildcard', port: 15_008 }) });
  await once(server, 'listening');
  return {
    get connectionCount() {
      return gateway.connectionCount;
    },
    asked,
    async [Symbol.asyncDispose]() {
      gateway[Symbol.dispose]();
      server.close();
    },
  };
}
