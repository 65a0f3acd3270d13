import { parseIpAddress } from '../model/address.ts';
import type { IpAddress } from '../model/address.ts';
import type { FieldReader } from './field-reader.ts';
import { SERVICE_NAME_LABEL } from './labels.ts';
import type { EndpointSlice, KubeService, KubeServicePort, SliceEndpoint } from './objects.ts';
import { isNamespaceName, parseLabels, parseMeta } from './parse-meta.ts';

const PROTOCOLS = ['TCP', 'UDP', 'SCTP'] as const;
const TYPES = ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'] as const;
const HEADLESS = 'None';
const SPEC_READ = [
  'type',
  'clusterIP',
  'clusterIPs',
  'selector',
  'ports',
  'publishNotReadyAddresses',
  'internalTrafficPolicy',
  'trafficDistribution',
  'ipFamilies',
] as const;
const PORT_READ = ['name', 'port', 'targetPort', 'protocol', 'appProtocol'] as const;

/** v1 Service. @throws KindError. */
export function parseService(object: FieldReader): KubeService {
  const meta = parseMeta(object, 'namespaced');
  if (!isNamespaceName(meta.name))
    object.object('metadata')?.fail('name', 'a DNS label: at most 63 lower-case letters, digits, "-"');
  const spec = object.object('spec') ?? object.fail('spec', 'an object with ports');
  spec.refuseOtherCase(SPEC_READ);
  const ips = clusterIpTexts(spec);
  return {
    kind: 'Service',
    meta,
    type: spec.oneOf('type', TYPES, 'ClusterIP'),
    clusterIps: ips.filter((text) => text !== HEADLESS).map((text) => parseClusterIp(spec, text)),
    headless: ips.includes(HEADLESS),
    selector: parseSelector(spec),
    ports: spec.objects('ports', parseServicePort),
    publishNotReadyAddresses: spec.bool('publishNotReadyAddresses', false),
    internalTrafficPolicy: spec.oneOf('internalTrafficPolicy', ['Cluster', 'Local'], 'Cluster'),
    trafficDistribution: spec.text('trafficDistribution', ''),
    ipFamilies: spec.list('ipFamilies', (item) => (item === 'IPv6' ? 'IPv6' : 'IPv4')),
  };
}

function clusterIpTexts(spec: FieldReader): readonly string[] {
  const listed = spec.texts('clusterIPs');
  if (listed.length > 0) return listed.filter((text) => text !== '');
  const single = spec.text('clusterIP', '');
  return single === '' ? [] : [single];
}

function parseClusterIp(spec: FieldReader, text: string): IpAddress {
  try {
    return parseIpAddress(text);
  } catch (cause) {
    return spec.fail(spec.has('clusterIPs') ? 'clusterIPs' : 'clusterIP', 'IP addresses, or None', { cause });
  }
}

function parseSelector(spec: FieldReader): KubeService['selector'] {
  const selector = parseLabels(spec, 'selector');
  return selector.size === 0 ? null : selector;
}

function parseServicePort(reader: FieldReader): KubeServicePort {
  reader.refuseOtherCase(PORT_READ);
  const port = reader.integer('port', 1, 65_535);
  const target = reader.raw('targetPort');
  return {
    name: reader.text('name', ''),
    port,
    targetPort:
      typeof target === 'string' && target !== '' ? target : reader.integer('targetPort', 0, 65_535, port) || port,
    protocol: reader.oneOf('protocol', PROTOCOLS, 'TCP'),
    appProtocol: reader.text('appProtocol', ''),
  };
}

/** discovery.k8s.io/v1 EndpointSlice; slices of host names (addressType FQDN) have no endpoints for us. @throws KindError. */
export function parseEndpointSlice(object: FieldReader): EndpointSlice {
  const meta = parseMeta(object, 'namespaced');
  const addressType = object.oneOf('addressType', ['IPv4', 'IPv6', 'FQDN']);
  return {
    kind: 'EndpointSlice',
    meta,
    serviceName: meta.labels.get(SERVICE_NAME_LABEL) ?? '',
    endpoints:
      addressType === 'FQDN' ? [] : object.objects('endpoints', (reader) => parseEndpoint(reader, meta.namespace)),
    ports: object.objects('ports', (reader) => ({
      name: reader.text('name', ''),
      port: reader.integer('port', 0, 65_535, 0),
      protocol: reader.oneOf('protocol', PROTOCOLS, 'TCP'),
    })),
  };
}

function parseEndpoint(reader: FieldReader, namespace: string): SliceEndpoint {
  const conditions = reader.object('conditions');
  const target = reader.object('targetRef');
  return {
    addresses: reader.parsedTexts('addresses', 'an IPv4 or IPv6 address', parseIpAddress),
    ready: conditions?.bool('ready', true) ?? true,
    targetRef:
      target === null
        ? null
        : {
            kind: target.text('kind', ''),
            namespace: target.text('namespace', namespace),
            name: target.text('name', ''),
          },
  };
}
