import { type Gateway, KindError, FieldReader, AMBIT_DOMAIN } from '@ambit/mesh/kinds';
import { isRecord } from '../../json.ts';
import type { JsonObject, ReplicaRange } from './waypoint-settings.ts';

/** What a Gateway's author may change of what is made for it, and nothing else. Absent: as the installation says. */
export interface WaypointParameters {
  readonly replicas?: ReplicaRange;
  readonly resources?: JsonObject;
  readonly nodeSelector?: JsonObject;
  readonly tolerations?: readonly unknown[];
  readonly affinity?: JsonObject;
  readonly labels: ReadonlyMap<string, string>;
  readonly annotations: ReadonlyMap<string, string>;
}

export type ParametersDecision =
  | { readonly kind: 'taken'; readonly parameters: WaypointParameters }
  /** `message` names the field. */
  | { readonly kind: 'refused'; readonly message: string };

/** Keys of a ConfigMap and what each holds, parsed; `missing` when there is no such ConfigMap. */
export type ConfigMapContent = ReadonlyMap<string, unknown> | 'missing';

const REF = 'spec.infrastructure.parametersRef';
const KEYS = ['replicas', 'resources', 'nodeSelector', 'tolerations', 'affinity'] as const;
const RESOURCE_FIELDS = ['requests', 'limits'] as const;
const AFFINITY_FIELDS = ['nodeAffinity', 'podAffinity', 'podAntiAffinity'] as const;
const TOLERATION_FIELDS = ['key', 'operator', 'value', 'effect', 'tolerationSeconds'] as const;
const QUANTITY = /^[0-9]{1,18}(?:\.[0-9]{1,9})?(?:m|k|M|G|T|Ki|Mi|Gi|Ti|e[0-9]{1,2})?$/;
const TOLERATIONS_MAX = 64;
export const REPLICAS_MAX = 100;
/** By these we find our own objects, and others find out what they are. */
const OUR_DOMAINS: readonly string[] = [AMBIT_DOMAIN, 'gateway.networking.k8s.io', 'app.kubernetes.io'];

/** Labels and annotations of `spec.infrastructure`, and the harmless fields of the ConfigMap that it may name. */
export function decideWaypointParameters(gateway: Gateway, content: ConfigMapContent | null): ParametersDecision {
  const { labels, annotations, parametersRef: ref } = gateway.infrastructure;
  for (const [field, map] of Object.entries({ labels, annotations })) {
    for (const key of map.keys()) {
      if (isOurs(key)) return refused(`spec.infrastructure.${field}: ${key} is not for others to set`);
    }
  }
  if (ref === null) return { kind: 'taken', parameters: { labels, annotations } };
  if (ref.group !== '' || ref.kind !== 'ConfigMap') {
    return refused(`${REF} is a ${ref.kind}${ref.group === '' ? '' : ` of ${ref.group}`}: expected a ConfigMap`);
  }
  const name = `ConfigMap ${ref.name}`;
  if (content === null || content === 'missing') return refused(`${REF}: there is no ${name} in the namespace`);
  try {
    return { kind: 'taken', parameters: { ...parseContent(content, name), labels, annotations } };
  } catch (error) {
    if (!(error instanceof KindError)) throw error;
    return refused(`${REF}: ${error.message}`);
  }
}

function parseContent(
  content: ReadonlyMap<string, unknown>,
  name: string,
): Omit<WaypointParameters, 'labels' | 'annotations'> {
  const reader = new FieldReader(Object.fromEntries(content), name);
  reader.allowOnly(KEYS);
  const replicas = parseReplicas(reader);
  const resources = objectOf(reader, 'resources', RESOURCE_FIELDS);
  for (const field of RESOURCE_FIELDS) checkQuantities(reader.object('resources')?.object(field) ?? null);
  const affinity = objectOf(reader, 'affinity', AFFINITY_FIELDS);
  const nodeSelector = reader.has('nodeSelector') ? Object.fromEntries(reader.textMap('nodeSelector')) : null;
  const tolerations = reader.objects('tolerations', parseToleration, TOLERATIONS_MAX);
  return {
    ...(replicas === null ? {} : { replicas }),
    ...(resources === null ? {} : { resources }),
    ...(nodeSelector === null ? {} : { nodeSelector }),
    ...(reader.has('tolerations') ? { tolerations } : {}),
    ...(affinity === null ? {} : { affinity }),
  };
}

function parseReplicas(content: FieldReader): ReplicaRange | null {
  const reader = content.object('replicas');
  if (reader === null) return null;
  reader.allowOnly(['min', 'max']);
  const min = reader.integer('min', 1, REPLICAS_MAX);
  return { min, max: reader.integer('max', min, REPLICAS_MAX) };
}

/** Of the fields themselves the API server knows better; what else there is would not be harmless. */
function objectOf(content: FieldReader, key: string, fields: readonly string[]): JsonObject | null {
  const reader = content.object(key);
  if (reader === null) return null;
  reader.allowOnly(fields);
  const value = content.raw(key);
  return isRecord(value) ? value : content.fail(key, 'an object');
}

/** The API server takes one that cannot be read for a failure of its own. */
function checkQuantities(reader: FieldReader | null): void {
  for (const name of reader?.names() ?? []) {
    const value = reader?.raw(name);
    const isQuantity = typeof value === 'number' || (typeof value === 'string' && QUANTITY.test(value));
    if (!isQuantity) reader?.fail(name, 'a quantity such as 100m or 64Mi');
  }
}

function parseToleration(reader: FieldReader): JsonObject {
  reader.allowOnly(TOLERATION_FIELDS);
  return Object.fromEntries(reader.names().map((field) => [field, reader.raw(field)]));
}

function isOurs(key: string): boolean {
  const domain = key.slice(0, Math.max(0, key.indexOf('/')));
  return OUR_DOMAINS.some((ours) => domain === ours || domain.endsWith(`.${ours}`));
}

function refused(message: string): ParametersDecision {
  return { kind: 'refused', message };
}
