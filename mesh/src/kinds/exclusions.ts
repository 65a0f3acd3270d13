import { type Cidr, parseCidr, parsePort, type Port } from '../model/address.ts';
import { disjointCidrs } from '../model/disjoint-cidrs.ts';
import {
  EXCLUDE_INBOUND_PORTS_ANNOTATION,
  EXCLUDE_OUTBOUND_CIDRS_ANNOTATION,
  EXCLUDE_OUTBOUND_PORTS_ANNOTATION,
} from './labels.ts';
import type { Namespace, Pod } from './objects.ts';

/** Both ends belong to it. */
export interface PortRange {
  readonly first: Port;
  readonly last: Port;
}

/** TCP connections of a pod that redirection leaves alone. Lists are in order and without overlap. */
export interface Exclusions {
  /** Ports of others, wherever they are. */
  readonly outboundPorts: readonly PortRange[];
  readonly outboundCidrs: readonly Cidr[];
  /** Ports of the pod. */
  readonly inboundPorts: readonly PortRange[];
}

/** An annotation that excludes nothing since it cannot be read. */
export interface ExclusionProblem {
  readonly annotation: string;
  /** Who has it. */
  readonly on: 'Pod' | 'Namespace';
  readonly reason: string;
}

export const NO_EXCLUSIONS: Exclusions = { outboundPorts: [], outboundCidrs: [], inboundPorts: [] };

/** Every packet of a pod may be compared with them. */
export const EXCLUSIONS_MAX = 64;
const TEXT_LENGTH_MAX = 4096;
const SHOWN_LENGTH_MAX = 64;

/** The node agent's in the pod. Through 15001 whoever reaches it would speak for the pod. */
const AGENT_PORTS = [15_001, 15_006, 15_008, 15_053];

/**
 * What annotations of a pod, or else of its namespace, leave outside the mesh. Each annotation stands for itself: the pod's replaces its
 * namespace's, also when it is empty. One that cannot be read as a whole excludes nothing: what its author meant to go past the
 * mesh goes through it, and not the other way round.
 */
export function decideExclusions(
  pod: Pod,
  namespace: Namespace | undefined,
): { readonly exclusions: Exclusions; readonly problems: readonly ExclusionProblem[] } {
  const problems: ExclusionProblem[] = [];
  const read = <T>(annotation: string, parse: (texts: readonly string[]) => readonly T[]): readonly T[] => {
    const own = pod.meta.annotations.get(annotation);
    const text = own ?? namespace?.meta.annotations.get(annotation);
    if (text === undefined) return [];
    try {
      return parse(splitList(text));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      problems.push({ annotation, on: own === undefined ? 'Namespace' : 'Pod', reason });
      return [];
    }
  };
  const exclusions = {
    outboundPorts: read(EXCLUDE_OUTBOUND_PORTS_ANNOTATION, parsePorts),
    outboundCidrs: read(EXCLUDE_OUTBOUND_CIDRS_ANNOTATION, parseCidrs),
    inboundPorts: read(EXCLUDE_INBOUND_PORTS_ANNOTATION, parsePorts),
  };
  const isNothing = Object.values(exclusions).every((list) => list.length === 0);
  return { exclusions: isNothing ? NO_EXCLUSIONS : exclusions, problems };
}

/** @throws RangeError. */
function splitList(text: string): readonly string[] {
  if (text.length > TEXT_LENGTH_MAX) throw new RangeError(`longer than ${TEXT_LENGTH_MAX} characters`);
  if (text.trim() === '') return [];
  const items = text.split(',').map((item) => item.trim());
  if (items.length > EXCLUSIONS_MAX) throw new RangeError(`more than ${EXCLUSIONS_MAX} entries`);
  return items;
}

/** @throws RangeError. */
function parsePorts(texts: readonly string[]): readonly PortRange[] {
  const ranges = texts.map(parsePortRange).sort((a, b) => a.first - b.first);
  const joined: PortRange[] = [];
  for (const range of ranges) {
    const before = joined.at(-1);
    if (before === undefined || range.first > before.last + 1) joined.push(range);
    else if (range.last > before.last) joined[joined.length - 1] = { first: before.first, last: range.last };
  }
  return joined;
}

function parsePortRange(text: string): PortRange {
  const [, firstText, lastText] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  if (firstText === undefined) throw new RangeError(`${shown(text)} is no port and no range such as 6000-6010`);
  const [first, last] = [portOf(firstText), portOf(lastText ?? firstText)];
  if (first > last) throw new RangeError(`${shown(text)} ends before it begins`);
  const agents = AGENT_PORTS.find((port) => port >= first && port <= last);
  if (agents !== undefined) throw new RangeError(`port ${agents} is the node agent's own`);
  return { first, last };
}

function portOf(text: string): Port {
  try {
    return parsePort(text);
  } catch (cause) {
    throw new RangeError(`${text} is no port from 1 to 65535`, { cause });
  }
}

/** @throws RangeError. */
function parseCidrs(texts: readonly string[]): readonly Cidr[] {
  const blocks = texts.map((text) => {
    try {
      return parseCidr(text);
    } catch (cause) {
      throw new RangeError(`${shown(text)} is no block of addresses such as 192.0.2.0/24`, { cause });
    }
  });
  return disjointCidrs(blocks);
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, SHOWN_LENGTH_MAX));
}
