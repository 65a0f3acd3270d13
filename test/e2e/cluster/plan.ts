/** What a node runs its containers with: packages of Debian (containerd 1.6, CNI specification 1.0), or containerd 2 (1.1). */
export type ContainerRuntime = 'debian' | 'v2';

/** One scenario file, `<name>.cluster.test.ts`. */
export interface Scenario {
  readonly name: string;
  readonly runtimes: readonly ContainerRuntime[];
}

const BOTH = ['debian', 'v2'] as const;
const ONCE = ['debian'] as const;

/**
 * In the order in which they run on one cluster. The first sees it without Ambit, which the second installs and the last
 * but one takes away again; the last begins anew.
 */
export const SCENARIOS: readonly Scenario[] = [
  { name: 'without-ambit', runtimes: BOTH },
  { name: 'install', runtimes: BOTH },
  { name: 'images', runtimes: ONCE },
  { name: 'enrolment', runtimes: BOTH },
  { name: 'policy', runtimes: ONCE },
  { name: 'strict', runtimes: ONCE },
  { name: 'workloads', runtimes: ONCE },
  { name: 'databases', runtimes: ONCE },
  { name: 'scale', runtimes: ONCE },
  { name: 'restarts', runtimes: BOTH },
  { name: 'api-outage', runtimes: ONCE },
  { name: 'reboot', runtimes: BOTH },
  { name: 'upgrade', runtimes: ONCE },
  { name: 'two-agents', runtimes: ONCE },
  { name: 'uninstall', runtimes: BOTH },
  { name: 'getting-started', runtimes: ONCE },
];

/** The scenarios of one cluster. */
export interface ClusterPlan {
  readonly runtime: ContainerRuntime;
  readonly scenarios: readonly string[];
}

/**
 * Which clusters to start, and what runs on each. `filters` are names or parts of names, and none means all; `runtime` null means
 * all that the scenarios name. A cluster that is kept is the only one.
 */
export function planClusters(filters: readonly string[], runtime: ContainerRuntime | null): readonly ClusterPlan[] {
  const isWanted = (name: string): boolean =>
    filters.length === 0 ||
    filters.some((part) =>
      SCENARIOS.some((scenario) => scenario.name === part) ? name === part : name.includes(part),
    );
  const wanted = SCENARIOS.filter(({ name }) => isWanted(name));
  const runtimes: readonly ContainerRuntime[] = runtime === null ? BOTH : [runtime];
  return runtimes
    .map((each) => ({
      runtime: each,
      scenarios: wanted.filter(({ runtimes: of }) => runtime !== null || of.includes(each)).map(({ name }) => name),
    }))
    .filter(({ scenarios }) => scenarios.length > 0);
}
