/** `<namespace>/<name>` of every pod a config dump shows as served. */
export function servedPods(dump: string | null): string[] {
  if (dump === null) return [];
  const state: unknown = Object(JSON.parse(dump)).workloadState;
  return Object.values(Object(state)).flatMap((entry) => {
    const { state: phase, info } = Object(entry);
    return phase === 'Up' ? [`${Object(info).namespace}/${Object(info).name}`] : [];
  });
}

/** By `<namespace>/<name>`, how they are reached. */
export function knownPods(dump: string): ReadonlyMap<string, unknown> {
  const workloads: unknown = Object(JSON.parse(dump)).workloads;
  return new Map(
    Object.values(Object(workloads)).map((entry) => {
      const { namespace, name, protocol } = Object(entry);
      return [`${namespace}/${name}`, protocol];
    }),
  );
}
