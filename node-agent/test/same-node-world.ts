import { type NodeOptions, PodWorld, readAll, type TestNode, type TestPod } from './pod-world.ts';

export const SERVER = '10.77.0.2:8080';

export function twoPods(more: NodeOptions & Parameters<typeof PodWorld.create>[1] = {}): Promise<PodWorld> {
  return PodWorld.create(
    [
      { name: 'client', onNode: 'one' },
      { name: 'server', onNode: 'one' },
    ],
    more,
  );
}

/** Answers what it was sent, once that has ended. */
export async function serveEcho(pod: TestPod, peers: (string | undefined)[] = []): Promise<void> {
  await pod.serve(8080, (socket) => {
    peers.push(socket.remoteAddress);
    void readAll(socket).then(
      (text) => socket.end(text),
      () => {},
    );
  });
}

/** Connections that took the shortcut, over all workers of a node. */
export const shortcuts = ({ planes }: TestNode): number =>
  planes.reduce((sum, plane) => sum + plane.metrics().sameNode, 0);

export const nft = (pod: TestPod, ...script: readonly string[]): string => pod.netns.run('nft', script.join(' '));
