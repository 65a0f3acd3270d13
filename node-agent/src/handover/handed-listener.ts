import { listeningPortOf, OwnedDescriptor } from '@ambit/mesh/linux';
import type { SharedListener } from '../proxy/pod-listeners.ts';
import type { ListenersByWorker } from '../worker/worker-protocol.ts';

/** A listening socket of a pod on its way between agents, with one owner. */
export interface HandedListener {
  readonly port: number;
  readonly socket: OwnedDescriptor;
}

/** The owner of what a data worker gave away. */
export function handedListeners(shared: readonly (readonly SharedListener[])[]): readonly HandedListener[] {
  return shared.flat().map(({ port, fd }) => ({ port, socket: new OwnedDescriptor(fd) }));
}

export function closeListeners(listeners: readonly HandedListener[]): void {
  for (const { socket } of listeners) socket[Symbol.dispose]();
}

/** Whether the descriptor is what the other agent says: anything else must not be accepted from in a pod's name. */
export function isListenerOf(port: number, socket: OwnedDescriptor): boolean {
  return listeningPortOf(socket.fd) === port;
}

/**
 * Gives each worker its share of the sockets of each port, in turn: none stays without somebody who accepts from it. A worker that gets
 * none for a port opens one of its own. The descriptors are the workers' from here on.
 */
export function releaseToWorkers(listeners: readonly HandedListener[], workerCount: number): ListenersByWorker {
  const byWorker: SharedListener[][] = Array.from({ length: workerCount }, () => []);
  for (const [port, ofPort] of Map.groupBy(listeners, (listener) => listener.port)) {
    for (const [index, { socket }] of ofPort.entries())
      byWorker[index % workerCount]?.push({ port, fd: socket.release() });
  }
  return byWorker;
}
