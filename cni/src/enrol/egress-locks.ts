import {
  decideEgress,
  type EgressPolicy,
  type ObjectChange,
  type ObjectKey,
  type ObjectProblem,
  objectKey,
} from '@ambit/mesh/kinds';
import { type LockedEgress, NO_EGRESS } from '@ambit/mesh/model';

/** Which namespaces are locked, by the EgressPolicies that a source delivers. */
export class EgressLocks {
  readonly #rootNamespace: string;
  readonly #policies = new Map<ObjectKey, EgressPolicy>();
  /** Policies of which no version is known. */
  #unreadable: ReadonlySet<ObjectKey> = new Set();
  /** What was decided since the last change. */
  readonly #decided = new Map<string, LockedEgress | null>();

  constructor(rootNamespace: string) {
    this.#rootNamespace = rootNamespace;
  }

  /** Takes what is about EgressPolicies. */
  onChanges(changes: readonly ObjectChange[]): void {
    for (const change of changes) {
      const object = change.kind === 'put' ? change.object : change.last;
      if (object.kind !== 'EgressPolicy') continue;
      const key = objectKey(object.kind, object.meta.namespace, object.meta.name);
      if (change.kind === 'put') this.#policies.set(key, object);
      else this.#policies.delete(key);
      this.#decided.clear();
    }
  }

  /** True when that changes what is locked. */
  onProblems(problems: readonly ObjectProblem[]): boolean {
    const keys = problems.flatMap(({ key, severity }) =>
      key?.startsWith('EgressPolicy/') === true && severity === 'error' ? [key] : [],
    );
    if (keys.length === this.#unreadable.size && keys.every((key) => this.#unreadable.has(key))) return false;
    this.#unreadable = new Set(keys);
    this.#decided.clear();
    return true;
  }

  /** Null: pods of the namespace may call everything. */
  of(namespace: string): LockedEgress | null {
    const known = this.#decided.get(namespace);
    if (known !== undefined) return known;
    const decided = this.#decide(namespace);
    this.#decided.set(namespace, decided);
    return decided;
  }

  #decide(namespace: string): LockedEgress | null {
    const scopes = [namespace, this.#rootNamespace];
    const [own = [], ofMesh = []] = scopes.map((scope) =>
      [...this.#policies.values()].filter(({ meta }) => meta.namespace === scope),
    );
    // Nobody knows any more what a broken one said, so nothing is allowed; one that breaks later keeps its last good version.
    const isBroken = (scope: string): boolean =>
      [...this.#unreadable].some((key) => key.startsWith(`EgressPolicy/${scope}/`) && !this.#policies.has(key));
    if (isBroken(namespace) || (own.length === 0 && isBroken(this.#rootNamespace))) return NO_EGRESS;
    return decideEgress(own, ofMesh) ?? null;
  }
}
