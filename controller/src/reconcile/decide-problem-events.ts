import type { ObjectProblem } from '@ambit/mesh/kinds';

/** An object that is not taken as it is, and why. */
export interface RefusedObject {
  readonly kind: 'Namespace' | 'Pod';
  /** Of the object, and of the event about it. */
  readonly namespace: string;
  readonly name: string;
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

/**
 * Of which objects to tell now: of kinds that have no status of ours, in which it would be told. `told` is without what may be
 * told again.
 */
export function decideProblemEvents(
  problems: readonly ObjectProblem[],
  told: Told,
  nowMs: number,
  { repeatMs, toldMax, perNamespaceMax, dueMax }: ProblemEventBounds,
): { readonly due: readonly RefusedObject[]; readonly told: Told } {
  const still = new Map([...told].filter(([, atMs]) => nowMs - atMs < repeatMs));
  const due: RefusedObject[] = [];
  const ofNamespace = new Map<string, number>();
  const count = (namespace: string): void => void ofNamespace.set(namespace, (ofNamespace.get(namespace) ?? 0) + 1);
  for (const key of still.keys()) count(namespaceOf(key));
  for (const problem of problems) {
    if (due.length >= dueMax || still.size + due.length >= toldMax) break;
    const object = problem.severity === 'error' ? refusedObject(problem) : null;
    if (object === null || still.has(toldKey(object))) continue;
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

function refusedObject({ key, reason }: ObjectProblem): RefusedObject | null {
  const [kind, namespace = '', name = ''] = key?.split('/') ?? [];
  if (kind === 'Namespace') return { kind, namespace: name, name, reason };
  return kind === 'Pod' ? { kind, namespace, name, reason } : null;
}
