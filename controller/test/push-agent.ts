import { type ControllerAccess, createPushTransport } from '@ambit/mesh/grpc';
import { createMeshViewStore, type MeshView } from '@ambit/mesh/model';
import { PushClient } from '@ambit/mesh/push';
import { silentLogger, systemClock } from '@ambit/mesh/runtime';

/** The part of a node agent that subscribes. */
export interface PushAgent extends AsyncDisposable {
  readonly view: MeshView;
  /** Called after each update that was applied. */
  onUpdate: () => void;
  /** Awaited before an update is applied, and so before it is acknowledged. */
  hold: Promise<void>;
}

/** What a node agent holds, kept by the real push client. Resolves when it has the first state. */
export async function startPushAgent(access: ControllerAccess): Promise<PushAgent> {
  const { view, apply } = createMeshViewStore();
  const ready = Promise.withResolvers<void>();
  const stop = new AbortController();
  const held = { view, onUpdate: (): void => {}, hold: Promise.resolve() };
  const client = new PushClient({
    transport: createPushTransport(access),
    node: {
      id: 'ztunnel~10.1.0.1~agent-1.ambit-system~ambit-system.svc.cluster.local',
      cluster: 'Kubernetes',
      metadata: { NAME: 'agent-1', NAMESPACE: 'ambit-system', NODE_NAME: 'n1' },
    },
    withRanges: true,
    clock: systemClock,
    logger: silentLogger,
    apply: async (update) => {
      await held.hold;
      apply(update);
      held.onUpdate();
    },
    onReady: () => ready.resolve(),
  });
  const running = client.run(stop.signal);
  await ready.promise;
  const dispose = async (): Promise<void> => {
    stop.abort();
    await running;
  };
  return Object.assign(held, { [Symbol.asyncDispose]: dispose });
}
