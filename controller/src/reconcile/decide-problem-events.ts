import type { ObjectProblem } from '@ambit/mesh/kinds';
import type { CanaryCode } from './waypoints/decide-waypoint-bound.ts';

/** An object that is not taken as it is, or not as somebody meant it, and why. */
export interface RefusedObject {
  readonly kind: 'Namespace' | 'Pod' | 'Service';
  /** Of the object, and of the event about it. */
  readonly namespace: string;
  readonly name: string;
  /** In one word, as events have it; that of a condition where there is one. */
  readonly code: 'NotTaken' | 'WaypointMissing' | 'WrongClass' | 'AttachmentDenied' | CanaryCode;
  readonly reason: string;
}

/** What was told, by `toldKey`, and when. */
export type Told = ReadonlyMap<string, number>;

export interface ProblemEventBounds {
  /** The same of the same object is told again after this. */
  readonly repeatMs: number;
  /** In that time at most, in all and of one namespace; the log has them all. */
  readonly toldMax: number;
  readonly perNamespaceMax: number;
  /** At once. */
  readonly dueMax: number;
}

/** Of which objects to tell now. `told` is without what may be told again. */
export function decideProblemEvents(
  refused: readonly RefusedObject[],
  told: Told,
  nowMs: number,
  { repeatMs, toldMax, perNamespaceMax, dueMax }: ProblemEventBounds,
): { readonly due: readonly RefusedObject[]; readonly told: Told } {
  const still = new Map([...told].filter(([, atMs]) => nowMs - atMs < repeatMs));
  const due: RefusedObject[] = [];
  const ofNamespace = new Map<string, number>();
  const count = (namespace: string): void => void ofNamespace.set(namespace, (ofNamespace.get(namespace) ?? 0) + 1);
  for (const key of still.keys()) count(namespaceOf(key));
  for (const object of refused) {
    if (due.length >= dueMax || still.size + due.length >= toldMax) break;
    if (still.has(toldKey(object))) continue;
    if ((ofNamespace.get(object.namespace) ?? 0) >= perNamespaceMax) continue;
    due.push(object);
    count(object.namespace);
  }
  return { due, told: still };
}

export function toldKey({ kind, namespace, name, reason }: RefusedObject): string {
  return `${kind}/${namespace}/${name} ${reason}`;
}

function namespaceOf(key: string): string {
  return key.split('/', 2)[1] ?? '';
}

/** Of kinds that have no status of ours, in which it would be told. */
export function refusedObjects(problems: readonly ObjectProblem[]): readonly RefusedObject[] {
  return problems.flatMap(({ severity, key, reason }): readonly RefusedObject[] => {
    const [kind, namespace = '', name = ''] = severity === 'error' ? (key?.split('/') ?? []) : [];
    const code = 'NotTaken';
    if (kind === 'Namespace') return [{ kind, namespace: name, name, code, reason }];
    return kind === 'Pod' ? [{ kind, namespace, name, code, reason }] : [];
  });
}
