import { parseIpAddress } from '../model/address.ts';
import type { FieldReader } from './field-reader.ts';
import type { ExternalWorkload } from './objects.ts';
import { isObjectName, parseLabelText, parseMeta, parseNameOrNothing } from './parse-meta.ts';

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
const WEIGHT_MAX = 1000;

/** ambit.dev/v1alpha1 ExternalWorkload. @throws KindError. */
export function parseExternalWorkload(object: FieldReader): ExternalWorkload {
  object.allowOnly(['apiVersion', 'kind', 'metadata', 'spec', 'status']);
  const meta = parseMeta(object, 'namespaced');
  const spec = object.object('spec') ?? object.fail('spec', 'an object with addresses');
  spec.allowOnly(FIELDS);
  const addresses = spec.parsedTexts('addresses', 'an IPv4 or IPv6 address', parseIpAddress);
  if (addresses.length === 0) spec.fail('addresses', 'at least one IP address');
  return {
    kind: 'ExternalWorkload',
    meta,
    addresses,
    serviceAccountName: parseAccountName(spec),
    services: spec.parsedTexts('services', 'the name of a Service in this namespace', parseServiceName),
    ports: new Map(spec.objects('ports', parsePort)),
    tunnel: spec.oneOf('tunnel', ['HBONE', 'None'], 'None'),
    network: spec.has('network') ? parseLabelText(spec, 'network') : null,
    nodeName: parseNameOrNothing(spec, 'nodeName'),
    locality: parseLocality(spec.object('locality')),
    ready: spec.bool('ready', true),
    weight: spec.integer('weight', 1, WEIGHT_MAX, 1),
  };
}

function parseAccountName(spec: FieldReader): string {
  const name = spec.text('serviceAccountName', 'default');
  return isObjectName(name) ? name : spec.fail('serviceAccountName', 'the name of a service account');
}

function parseServiceName(text: string): string {
  if (!isObjectName(text)) throw new RangeError('not a name');
  return text;
}

function parsePort(reader: FieldReader): readonly [string, number] {
  reader.allowOnly(['name', 'port']);
  return [reader.text('name'), reader.integer('port', 1, 65_535)];
}

function parseLocality(reader: FieldReader | null): ExternalWorkload['locality'] {
  reader?.allowOnly(['region', 'zone', 'subzone']);
  return {
    region: parseLabelText(reader, 'region'),
    zone: parseLabelText(reader, 'zone'),
    subzone: parseLabelText(reader, 'subzone'),
  };
}
