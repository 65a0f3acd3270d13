import { parseIpAddress } from '../model/address.ts';
import type { FieldReader } from './field-reader.ts';
import { KIND_LIMITS, TUNNELS } from './limits.ts';
import type { ExternalWorkload } from './objects.ts';
import { isObjectName, parseLabelText, parseMeta } from './parse-meta.ts';

const FIELDS = [
  'addresses',
  'serviceAccountName',
  'services',
  'ports',
  'tunnel',
  'network',
  'nodeName',
  'locality',
  'ready',
  'weight',
];

/** ambit.dev/v1alpha1 ExternalWorkload. @throws KindError. */
export function parseExternalWorkload(object: FieldReader): ExternalWorkload {
  object.allowOnly(['apiVersion', 'kind', 'metadata', 'spec', 'status']);
  const meta = parseMeta(object, 'namespaced');
  const spec = object.object('spec') ?? object.fail('spec', 'an object with addresses');
  spec.allowOnly(FIELDS);
  const addresses = spec.parsedTexts('addresses', 'an IPv4 or IPv6 address', parseIpAddress, KIND_LIMITS.addresses);
  if (addresses.length === 0) spec.fail('addresses', 'at least one IP address');
  return {
    kind: 'ExternalWorkload',
    meta,
    addresses,
    serviceAccountName: spec.has('serviceAccountName')
      ? parseName(spec, 'serviceAccountName', 'the name of a service account')
      : 'default',
    services: spec.parsedTexts(
      'services',
      'the name of a Service in this namespace',
      parseServiceName,
      KIND_LIMITS.services,
    ),
    ports: parsePorts(spec),
    tunnel: spec.oneOf('tunnel', TUNNELS, 'None'),
    network: spec.has('network') ? parseLabelText(spec, 'network') : null,
    nodeName: spec.has('nodeName') ? parseName(spec, 'nodeName', 'the name of a host') : '',
    locality: parseLocality(spec.object('locality')),
    ready: spec.bool('ready', true),
    weight: spec.integer('weight', 1, KIND_LIMITS.weight, 1),
  };
}

function parseName(spec: FieldReader, field: string, expected: string): string {
  const name = spec.text(field);
  return isObjectName(name) ? name : spec.fail(field, expected);
}

function parseServiceName(text: string): string {
  if (!isObjectName(text)) throw new RangeError('not a name');
  return text;
}

function parsePorts(spec: FieldReader): ReadonlyMap<string, number> {
  const named = spec.objects('ports', parsePort, KIND_LIMITS.workloadPorts);
  const ports = new Map(named);
  return ports.size === named.length ? ports : spec.fail('ports', 'a list that names each port once');
}

function parsePort(reader: FieldReader): readonly [string, number] {
  reader.allowOnly(['name', 'port']);
  const name = reader.text('name');
  if (name === '' || name.length > KIND_LIMITS.portNameLength)
    reader.fail('name', `a name of 1 to ${KIND_LIMITS.portNameLength} characters`);
  return [name, reader.integer('port', 1, 65_535)];
}

function parseLocality(reader: FieldReader | null): ExternalWorkload['locality'] {
  reader?.allowOnly(['region', 'zone', 'subzone']);
  return {
    region: parseLabelText(reader, 'region'),
    zone: parseLabelText(reader, 'zone'),
    subzone: parseLabelText(reader, 'subzone'),
  };
}
