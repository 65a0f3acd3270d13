import {
  AMBIT_DOMAIN,
  MODE_LABEL,
  NETWORK_LABEL,
  WAYPOINT_BYPASS_LABEL,
  WAYPOINT_CANARY_LABEL,
  WAYPOINT_CANARY_NAMESPACE_LABEL,
  WAYPOINT_LABEL,
  WAYPOINT_NAMESPACE_LABEL,
} from './labels.ts';
import type { MeshObject } from './objects.ts';
import { suggest } from './suggest.ts';
import { WAYPOINT_FOR_LABEL } from './waypoints.ts';

const PREFIX = `${AMBIT_DOMAIN}/`;

const KNOWN: readonly string[] = [
  MODE_LABEL,
  NETWORK_LABEL,
  WAYPOINT_LABEL,
  WAYPOINT_NAMESPACE_LABEL,
  WAYPOINT_CANARY_LABEL,
  WAYPOINT_CANARY_NAMESPACE_LABEL,
  WAYPOINT_FOR_LABEL,
  WAYPOINT_BYPASS_LABEL,
];

/** What who comes from Istio writes, and what means the same here. */
const ISTIO: ReadonlyMap<string, string> = new Map([
  ['istio.io/dataplane-mode', MODE_LABEL],
  ['istio.io/use-waypoint', WAYPOINT_LABEL],
  ['istio.io/use-waypoint-namespace', WAYPOINT_NAMESPACE_LABEL],
  ['istio.io/use-waypoint-canary', WAYPOINT_CANARY_LABEL],
  ['istio.io/use-waypoint-canary-namespace', WAYPOINT_CANARY_NAMESPACE_LABEL],
  ['istio.io/waypoint-for', WAYPOINT_FOR_LABEL],
]);

/** On what these labels are read; elsewhere they may be anybody's. */
const LABELLED: readonly MeshObject['kind'][] = [
  'Namespace',
  'Node',
  'Pod',
  'Service',
  'ServiceImport',
  'Gateway',
  'ExternalWorkload',
];

/**
 * A sentence for each label of Ambit's domain that does not exist, and for each of Istio's that is not read while Ambit's own is
 * not there: its author hopes for something that will not happen, such as that requests go through a waypoint.
 */
export function strangeLabels({ kind, meta: { labels } }: MeshObject): readonly string[] {
  if (!LABELLED.includes(kind)) return [];
  return [...labels.keys()].flatMap((label) => {
    const place = `metadata.labels[${JSON.stringify(label)}]`;
    const own = ISTIO.get(label);
    if (own !== undefined) return labels.has(own) ? [] : [`${place} is not read: the label for this is ${own}`];
    if (!label.startsWith(PREFIX) || KNOWN.includes(label)) return [];
    // Without the domain, which is the same in all and would make any two look alike.
    const hint = suggest(
      label.slice(PREFIX.length),
      KNOWN.map((known) => known.slice(PREFIX.length)),
    );
    const tail = hint === undefined ? '' : ` (did you mean ${PREFIX}${hint}?)`;
    return [`${place} is not a known label${tail}: expected one of ${KNOWN.join(', ')}`];
  });
}
