import { type Cidr, parseCidr, parseIpAddress } from '../model/address.ts';
import type { FieldReader } from './field-reader.ts';
import { EXTERNAL_PROTOCOLS, EXTERNAL_HOST, HOST_LENGTH_MAX, KIND_LIMITS, OWN_DOMAINS, RESOLUTIONS } from './limits.ts';
import type { ExternalEndpoint, ExternalPort, ExternalService } from './objects.ts';
import { parseMeta } from './parse-meta.ts';

const EXPECTED_HOST = 'a DNS name such as api.example.com, in lower case';

/** ambit.dev/v1alpha1 ExternalService. @throws KindError. */
export function parseExternalService(object: FieldReader): ExternalService {
  object.allowOnly(['apiVersion', 'kind', 'metadata', 'spec', 'status']);
  const meta = parseMeta(object, 'namespaced');
  const spec = object.object('spec') ?? object.fail('spec', 'an object with hosts and ports');
  // A known word of the API, but not offered to whoever misspells another.
  if (spec.has('tls')) spec.unsupported('tls', 'this version begins TLS for nobody: let the application do so');
  spec.allowOnly(['hosts', 'ports', 'resolution', 'addresses', 'endpoints']);
  for (const list of ['addresses', 'endpoints']) spec.refuseEmptyList(list);
  const hosts = spec.parsedTexts(
    'hosts',
    `${EXPECTED_HOST}, and none of the cluster`,
    parseOwnHost,
    KIND_LIMITS.externalHosts,
  );
  if (hosts.length === 0) spec.fail('hosts', 'at least one host');
  const resolution = spec.oneOf('resolution', RESOLUTIONS, 'DNS');
  return {
    kind: 'ExternalService',
    meta,
    hosts: [...new Set(hosts)],
    ports: parsePorts(spec),
    resolution,
    addresses: parseAddresses(spec, resolution),
    endpoints: parseEndpoints(spec, resolution),
  };
}

function parseHost(text: string): string {
  if (!EXTERNAL_HOST.test(text) || text.length > HOST_LENGTH_MAX) throw new RangeError('no host');
  return text;
}

/** A host that nobody in the mesh has: who calls a Service must not be led elsewhere. */
function parseOwnHost(text: string): string {
  if (OWN_DOMAINS.some((domain) => text.endsWith(domain))) throw new RangeError('a name of the cluster');
  return parseHost(text);
}

function parsePorts(spec: FieldReader): readonly ExternalPort[] {
  const ports = spec.objects(
    'ports',
    (reader): ExternalPort => {
      reader.allowOnly(['port', 'targetPort', 'protocol']);
      const port = reader.integer('port', 1, 65_535);
      return {
        port,
        targetPort: reader.integer('targetPort', 1, 65_535, port),
        protocol: reader.oneOf('protocol', EXTERNAL_PROTOCOLS, 'TCP'),
      };
    },
    KIND_LIMITS.externalPorts,
  );
  if (ports.length === 0) spec.fail('ports', 'at least one port');
  const isOnce = new Set(ports.map(({ port }) => port)).size === ports.length;
  return isOnce ? ports : spec.fail('ports', 'a list that names each port once');
}

function parseAddresses(spec: FieldReader, resolution: ExternalService['resolution']): readonly Cidr[] {
  const addresses = spec.parsedTexts('addresses', 'an IP address or block', parseCidr, KIND_LIMITS.externalAddresses);
  if (resolution === 'None') {
    return addresses.length > 0 ? addresses : spec.fail('addresses', 'at least one where nothing is resolved');
  }
  const isBlock = ({ bytes, prefixLength }: Cidr): boolean => prefixLength < bytes.length * 8;
  return addresses.some(isBlock) ? spec.fail('addresses', 'without blocks, unless resolution is None') : addresses;
}

function parseEndpoints(spec: FieldReader, resolution: ExternalService['resolution']): readonly ExternalEndpoint[] {
  const endpoints = spec.objects(
    'endpoints',
    (reader): ExternalEndpoint => {
      reader.allowOnly(['address', 'weight']);
      const weight = reader.integer('weight', 1, KIND_LIMITS.weight, 1);
      const text = reader.text('address');
      try {
        return { address: resolution === 'DNS' ? parseHost(text) : parseIpAddress(text), weight };
      } catch (cause) {
        return reader.fail('address', resolution === 'DNS' ? EXPECTED_HOST : 'an IP address', { cause });
      }
    },
    KIND_LIMITS.externalEndpoints,
  );
  if (resolution === 'Static' && endpoints.length === 0) spec.fail('endpoints', 'at least one where they are static');
  if (resolution === 'None' && endpoints.length > 0) spec.fail('endpoints', 'absent where nothing is resolved');
  const isOnce = new Set(endpoints.map(({ address }) => address)).size === endpoints.length;
  return isOnce ? endpoints : spec.fail('endpoints', 'a list that names each address once');
}
