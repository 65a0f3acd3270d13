import type { IpAddress, MeshView, Service } from '@ambit/mesh/model';

/** Whose question it is: what is near to it, and what it may see, depend on that. */
export interface DnsClient {
  readonly namespace: string;
  readonly network: string;
}

/** How names of the cluster are built, and who is meant where several services have one name. */
export interface DnsNaming {
  /** Without a dot at either end. */
  readonly clusterDomain: string;
  /** Second choice after the client's own namespace; empty: none. */
  readonly preferredNamespace: string;
}

/** The types of records that are answered here; everything else is forwarded. */
export type DnsRecordType = 'A' | 'AAAA' | 'SRV';

export interface DnsQuestion {
  /** Lower case, without the dot at its end. */
  readonly name: string;
  readonly type: DnsRecordType;
}

export type DnsDecision =
  /** Not the mesh's to answer. */
  | { readonly kind: 'forward' }
  /** No address: the name is known, and has none of the family that was asked for. */
  | {
      readonly kind: 'addresses';
      /** The name that the addresses belong to, where the question's leads there by a search domain. */
      readonly alias: string | null;
      readonly addresses: readonly IpAddress[];
      /** `equal`: any order is as good, and clients take the first. */
      readonly order: 'given' | 'equal';
    }
  | {
      readonly kind: 'port';
      readonly target: string;
      readonly port: number;
      /** Of the target, of both families. */
      readonly addresses: readonly IpAddress[];
    };

const FORWARD: DnsDecision = { kind: 'forward' };

/** One reading of a name. `stripped`: the name without a search domain, if that is what makes it this reading. */
interface Candidate {
  readonly name: string;
  readonly stripped: string | null;
}

interface Found {
  readonly service: Service;
  readonly candidate: Candidate;
  readonly isWildcard: boolean;
}

/** What to say to a question of a captured pod (protocol.md 4.7). */
export function decideDnsAnswer(
  view: MeshView,
  question: DnsQuestion,
  client: DnsClient,
  naming: DnsNaming,
): DnsDecision {
  if (question.type === 'SRV') return decidePort(view, question.name, client, naming);
  const found = findService(view, question.name, client, naming);
  if (found === null) return FORWARD;
  const addresses = addressesOf(view, found.service, client);
  if (addresses === null) return FORWARD;
  const alias = found.isWildcard ? null : found.candidate.stripped;
  const isWanted = question.type === 'A' ? isIpv4 : isIpv6;
  const allowed = familyAllowed(found.service, question.type) ? addresses.filter(isWanted) : [];
  const order = found.service.addresses.length === 0 ? 'equal' : 'given';
  // An alias that leads to nothing would be looked up for nothing.
  return { kind: 'addresses', alias: allowed.length === 0 ? null : alias, addresses: allowed, order };
}

/**
 * `_port._tcp.name`. Of a headless service the cluster's own DNS knows the names of its pods, of what it has no TCP port for it knows more
 * than the mesh: those are forwarded.
 */
function decidePort(view: MeshView, name: string, client: DnsClient, naming: DnsNaming): DnsDecision {
  const [, port = '', host = ''] = /^_([^.]+)\._tcp\.(.+)$/.exec(name) ?? [];
  if (host === '') return FORWARD;
  const found = findService(view, host, client, naming);
  if (found === null || found.service.addresses.length === 0) return FORWARD;
  const number = portOf(found.service, port);
  const addresses = addressesOf(view, found.service, client);
  if (number === null || addresses === null || addresses.length === 0) return FORWARD;
  return { kind: 'port', target: found.isWildcard ? host : found.service.hostname, port: number, addresses };
}

/** By its name or its number. */
function portOf(service: Service, label: string): number | null {
  const number = service.portNames?.get(label) ?? (/^\d{1,5}$/.test(label) ? Number(label) : 0);
  return service.ports.some(({ servicePort }) => servicePort === number && number > 0) ? number : null;
}

function findService(view: MeshView, name: string, client: DnsClient, naming: DnsNaming): Found | null {
  for (const candidate of candidatesOf(name, client, naming)) {
    for (const hostname of hostnamesOf(candidate.name)) {
      const service = bestOf(view.servicesByHostname(hostname), client, naming);
      if (service !== null) return { service, candidate, isWildcard: hostname.startsWith('*.') };
    }
  }
  return null;
}

/** Every name that is meant by this one for a client of the namespace, most literal first. */
function* candidatesOf(name: string, client: DnsClient, { clusterDomain }: DnsNaming): Iterable<Candidate> {
  const services = `svc.${clusterDomain}`;
  const own = `${client.namespace}.${services}`;
  yield { name, stripped: null };
  for (const full of completed(name, own, services, clusterDomain)) yield { name: full, stripped: null };
  for (const domain of [own, services, clusterDomain]) {
    if (!name.endsWith(`.${domain}`)) continue;
    const stripped = name.slice(0, -domain.length - 1);
    yield { name: stripped, stripped };
    for (const full of completed(stripped, own, services, clusterDomain)) yield { name: full, stripped };
  }
}

/** The names in the cluster's domain that a name of so many labels can stand for: `service`, `pod.service`, and what contains them. */
function completed(name: string, own: string, services: string, clusterDomain: string): readonly string[] {
  const isInServices = name.endsWith('.svc');
  switch (name.split('.').length) {
    case 1:
      return [`${name}.${own}`];
    case 2:
      return [`${name}.${services}`, `${name}.${own}`];
    case 3:
      return [...(isInServices ? [`${name}.${clusterDomain}`] : []), `${name}.${services}`];
    case 4:
      return isInServices ? [`${name}.${clusterDomain}`] : [];
    default:
      return [];
  }
}

/** The name, then the wildcards that cover it, from the nearest. */
function* hostnamesOf(name: string): Iterable<string> {
  yield name;
  for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) yield `*${name.slice(dot)}`;
}

/** Of those the client may see and that can be told apart from a mere name: its own namespace's, the preferred one's, a canonical one. */
function bestOf(services: readonly Service[], client: DnsClient, naming: DnsNaming): Service | null {
  let best: Service | null = null;
  for (const service of services) {
    if (service.visibility !== 'public' && service.namespace !== client.namespace) continue;
    if (!hasAddress(service) && !service.hostname.endsWith(`.svc.${naming.clusterDomain}`)) continue;
    if (best === null || isBetter(service, best, client, naming)) best = service;
  }
  return best;
}

function isBetter(service: Service, than: Service, client: DnsClient, naming: DnsNaming): boolean {
  const rank = ({ namespace, canonical }: Service): number =>
    namespace === client.namespace ? 3 : namespace === naming.preferredNamespace ? 2 : canonical ? 1 : 0;
  const difference = rank(service) - rank(than);
  return difference === 0 ? service.key < than.key : difference > 0;
}

/** Blocks of addresses give no answer. */
function hasAddress(service: Service): boolean {
  return service.addresses.some(({ cidr }) => cidr === undefined);
}

/** Those the client can call. Null: a headless service without any, of which the cluster's own DNS may know more. */
function addressesOf(view: MeshView, service: Service, { network }: DnsClient): readonly IpAddress[] | null {
  if (hasAddress(service)) {
    return service.addresses.flatMap((address) =>
      address.cidr === undefined && address.network === network ? [address.ip] : [],
    );
  }
  const takesAll = service.loadBalancing?.healthPolicy === 'allow-all';
  const addresses = new Set<IpAddress>();
  for (const endpoint of view.endpoints(service.key)) {
    if (endpoint.network !== network || !(takesAll || endpoint.status === 'healthy')) continue;
    // One of each family, as every endpoint is one choice.
    for (const isOfFamily of [isIpv4, isIpv6]) {
      const ip = endpoint.addresses.find(isOfFamily);
      if (ip !== undefined) addresses.add(ip);
    }
  }
  return addresses.size === 0 ? null : [...addresses];
}

/** Pods have addresses of both families where the service they back has one. */
function familyAllowed({ ipFamilies }: Service, type: DnsRecordType): boolean {
  return ipFamilies !== (type === 'A' ? 'ipv6-only' : 'ipv4-only');
}

function isIpv6(ip: IpAddress): boolean {
  return ip.includes(':');
}

function isIpv4(ip: IpAddress): boolean {
  return !isIpv6(ip);
}
