import { parseIpAddress } from '../model/address.ts';
import type { FieldReader } from './field-reader.ts';
import type { Gateway, GatewayAddress, GatewayListener } from './objects.ts';
import { parseMeta, parseNameOrNothing } from './parse-meta.ts';

/** As Gateway API bounds them. */
const LISTENERS_MAX = 64;
const ADDRESSES_MAX = 16;
const HOSTNAME = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;

/** gateway.networking.k8s.io/v1 Gateway, of whatever class. @throws KindError. */
export function parseGateway(object: FieldReader): Gateway {
  const spec = object.object('spec') ?? object.fail('spec', 'an object with gatewayClassName');
  return {
    kind: 'Gateway',
    meta: parseMeta(object, 'namespaced'),
    className:
      parseNameOrNothing(spec, 'gatewayClassName') || spec.fail('gatewayClassName', 'the name of a GatewayClass'),
    listeners: spec.objects('listeners', parseListener, LISTENERS_MAX),
    requestedAddresses: parseAddresses(spec),
    addresses: parseAddresses(object.object('status')),
  };
}

function parseListener(reader: FieldReader): GatewayListener {
  return {
    name: reader.text('name'),
    port: reader.integer('port', 1, 65_535),
    protocol: reader.text('protocol'),
  };
}

/** Those of types that are not addresses by themselves are left out, and those that only ask for any of a type. */
function parseAddresses(reader: FieldReader | null): readonly GatewayAddress[] {
  return reader?.objects('addresses', parseAddress, ADDRESSES_MAX).flat() ?? [];
}

function parseAddress(reader: FieldReader): readonly GatewayAddress[] {
  const value = reader.text('value', '');
  if (value === '') return [];
  switch (reader.text('type', 'IPAddress')) {
    case 'IPAddress':
      try {
        return [{ kind: 'ip', ip: parseIpAddress(value) }];
      } catch (cause) {
        return reader.fail('value', 'an IPv4 or IPv6 address', { cause });
      }
    case 'Hostname':
      return HOSTNAME.test(value) ? [{ kind: 'hostname', hostname: value }] : reader.fail('value', 'a host name');
    default:
      return [];
  }
}
