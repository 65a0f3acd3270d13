import type { FieldReader } from './field-reader.ts';

/**
 * Rights of a container by which its programs may get past redirection: changing rules, marking packets as the node agent does, sending
 * past the rules, entering other namespaces. `default-NET_RAW`: nobody asked for it, but container runtimes give it to whom it is not
 * taken from.
 */
export const CAPTURE_RISKS = ['privileged', 'SYS_ADMIN', 'NET_ADMIN', 'NET_RAW', 'default-NET_RAW'] as const;
export type CaptureRisk = (typeof CAPTURE_RISKS)[number];

const NONE: readonly CaptureRisk[] = [];
const CAPABILITIES = ['SYS_ADMIN', 'NET_ADMIN', 'NET_RAW'] as const;

/** Of a pod's `spec`; each once, in the order of `CAPTURE_RISKS`. @throws KindError. */
export function parseCaptureRisks(spec: FieldReader): readonly CaptureRisk[] {
  const isRootless = isNotRoot(spec.object('securityContext'));
  const found = ['containers', 'initContainers', 'ephemeralContainers'].flatMap((list) =>
    spec.objects(list, (container) => risksOf(container.object('securityContext'), isRootless ?? false)).flat(),
  );
  const risks = CAPTURE_RISKS.filter((risk) => found.includes(risk));
  return risks.length === 0 ? NONE : risks;
}

function risksOf(context: FieldReader | null, isRootless: boolean): readonly CaptureRisk[] {
  if (context?.bool('privileged', false) === true) return ['privileged'];
  const capabilities = context?.object('capabilities') ?? null;
  const named = (list: 'add' | 'drop'): readonly string[] =>
    (capabilities?.texts(list) ?? []).map((name) => name.toUpperCase().replace(/^CAP_/, ''));
  const [added, dropped] = [named('add'), named('drop')];
  const asked = CAPABILITIES.filter((name) => added.includes(name) || added.includes('ALL'));
  const isDropped = dropped.includes('NET_RAW') || dropped.includes('ALL');
  // Programs of other users than root do not have what their container may have.
  const isDefault = !isDropped && !asked.includes('NET_RAW') && !(isNotRoot(context) ?? isRootless);
  return isDefault ? [...asked, 'default-NET_RAW'] : asked;
}

/** Undefined when nothing is said. */
function isNotRoot(context: FieldReader | null): boolean | undefined {
  if (context === null) return undefined;
  if (context.has('runAsUser')) return context.integer('runAsUser', 0, Number.MAX_SAFE_INTEGER) !== 0;
  return context.has('runAsNonRoot') ? context.bool('runAsNonRoot', false) : undefined;
}
