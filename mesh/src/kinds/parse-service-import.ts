import { parseIpAddress } from '../model/address.ts';
import type { FieldReader } from './field-reader.ts';
import { parseMeta } from './parse-meta.ts';
import type { ServiceImport } from './route-objects.ts';

const PORTS_MAX = 100;
/** One of each family; older definitions allow one. */
const IPS_MAX = 2;

/** multicluster.x-k8s.io/v1alpha1 ServiceImport. @throws KindError. */
export function parseServiceImport(object: FieldReader): ServiceImport {
  const meta = parseMeta(object, 'namespaced');
  // Newer definitions have the same fields outside of a spec.
  const spec = object.object('spec') ?? object;
  return {
    kind: 'ServiceImport',
    meta,
    headless: spec.oneOf('type', ['ClusterSetIP', 'Headless'] as const) === 'Headless',
    ips: spec.parsedTexts('ips', 'an IPv4 or IPv6 address', parseIpAddress, IPS_MAX),
    ports: spec.objects(
      'ports',
      (port) => ({
        name: port.text('name', ''),
        port: port.integer('port', 1, 65_535),
        protocol: port.text('protocol', 'TCP'),
        appProtocol: port.text('appProtocol', ''),
      }),
      PORTS_MAX,
    ),
  };
}
