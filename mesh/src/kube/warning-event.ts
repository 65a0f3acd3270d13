import type { KubeClient, KubeResource } from './kube-client.ts';

export const EVENTS: KubeResource = {
  group: 'events.k8s.io',
  version: 'v1',
  plural: 'events',
  kind: 'Event',
  scope: 'namespaced',
};
/** The API server's limits are 1024 bytes for the note, 253 characters for a name and 128 for the instance. */
const NOTE_CHARACTERS_MAX = 500;
const NAME_CHARACTERS_MAX = 200;
const INSTANCE_CHARACTERS_MAX = 128;

/** Something about an object that people should know who look at it (`kubectl describe`, `kubectl events`). */
export interface WarningEvent {
  /** What it is about. An event of a namespace lies in that namespace. */
  readonly regarding: {
    readonly kind: 'Pod' | 'Namespace' | 'Service';
    readonly namespace: string;
    readonly name: string;
    /** Empty when it is not known; `kubectl describe` then does not show the event. */
    readonly uid: string;
  };
  /** Makes the name of the event: the same is there once, until the API server forgets it. Absent: always another one. */
  readonly id?: string;
  readonly reason: string;
  readonly action: string;
  /** For people; cut off when it is long. */
  readonly note: string;
  /** Who says it: `ambit.dev/NAME`, and which one of them. */
  readonly controller: string;
  readonly instance: string;
  readonly nowMs: number;
}

/** Creates the event. @throws KubeApiError, `already-exists` for an `id` that is there. */
export async function createWarningEvent(
  client: Pick<KubeClient, 'create'>,
  event: WarningEvent,
  signal: AbortSignal,
): Promise<void> {
  const { kind, namespace, name, uid } = event.regarding;
  // Even before something is added to it, it has to be a name but for a dash at its end.
  const prefix = name.slice(0, NAME_CHARACTERS_MAX).replace(/[^a-z0-9]+$/, '');
  const object = {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: {
      ...(event.id === undefined ? { generateName: `${prefix}-` } : { name: `${prefix}.${event.id}` }),
      namespace,
    },
    // With microseconds, which the API server asks for.
    eventTime: new Date(event.nowMs).toISOString().replace('Z', '000Z'),
    reportingController: event.controller,
    reportingInstance: event.instance.slice(0, INSTANCE_CHARACTERS_MAX),
    type: 'Warning',
    reason: event.reason,
    action: event.action,
    regarding: { apiVersion: 'v1', kind, namespace, name, ...(uid === '' ? {} : { uid }) },
    note: event.note.slice(0, NOTE_CHARACTERS_MAX),
  };
  await client.create(EVENTS, namespace, object, signal);
}
