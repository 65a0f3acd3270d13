type Labels = ReadonlyMap<string, string>;

const NAME_LABELS = ['service.istio.io/canonical-name', 'app.kubernetes.io/name', 'app'];
const REVISION_LABELS = ['service.istio.io/canonical-revision', 'app.kubernetes.io/version', 'version'];
const NO_REVISION = 'latest';

/** Which logical service and version a workload belongs to, by the labels that Istio reads too. */
export function canonicalService(
  labels: Labels,
  workloadName: string,
): { readonly name: string; readonly revision: string } {
  return {
    name: firstOf(labels, NAME_LABELS) ?? workloadName,
    revision: firstOf(labels, REVISION_LABELS) ?? NO_REVISION,
  };
}

function firstOf(labels: Labels, names: readonly string[]): string | undefined {
  return names.map((name) => labels.get(name)).find((value) => value !== undefined && value !== '');
}
