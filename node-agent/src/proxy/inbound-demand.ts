import type { IpAddress, MeshView } from '@ambit/mesh/model';
import { type PodContext, workloadOf } from './pod-context.ts';

/** How long a connection waits to hear who is at its source, which only labels need; nothing else of it depends on that. */
const SOURCE_WAIT_MS = 500;

/**
 * Has asked for what the admission of a connection depends on, where the mesh is known by what is asked for, and for who is at its source
 * when that is an address of the pod's own network. False: nobody has said in time what the admission depends on.
 */
export async function settleInbound(
  context: PodContext,
  source: IpAddress | null,
  admit: (view: MeshView) => unknown,
  startedMs: number,
): Promise<boolean> {
  const { demand, pod, settings } = context;
  if (demand === null) return true;
  const network = workloadOf(context)?.network ?? settings.network;
  const withSource = (view: MeshView): void => {
    if (source !== null) view.workloadByAddress(network, source);
    admit(view);
  };
  if ((await demand.settle(pod.namespace, withSource, startedMs + SOURCE_WAIT_MS, context)) === 'settled') return true;
  return (await demand.settle(pod.namespace, admit, startedMs + settings.patienceMs, context)) === 'settled';
}
