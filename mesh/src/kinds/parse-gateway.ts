import { parseIpAddress } from '../model/address.ts';
import type { FieldReader } from './field-reader.ts';
import type { Gateway, GatewayAddress, GatewayInfrastructure, GatewayListener } from './objects.ts';
import { parseLabelSelector } from './parse-label-selector.ts';
import { parseLabels, parseMeta, parseNameOrNothing } from './parse-meta.ts';
import { GATEWAY_GROUP, parseGroup, parseHostname, parseKindName } from './parse-route-refs.ts';

/** As Gateway API bounds them. */
const LISTENERS_MAX = 64;
const ADDRESSES_MAX = 16;
const KINDS_MAX = 8;
const NO_INFRASTRUCTURE: GatewayInfrastructure = { labels: new Map(), annotations: new Map(), parametersRef: null };
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
    infrastructure: parseInfrastructure(spec.object('infrastructure')),
    requestedAddresses: parseAddresses(spec),
    addresses: parseAddresses(object.object('status')),
    unserved: parseUnserved(spec),
  };
}

/** What says the same as nothing is left out. */
function parseUnserved(spec: FieldReader): Gateway['unserved'] {
  const listenersFrom = spec.object('allowedListeners')?.object('namespaces')?.text('from', 'None') ?? 'None';
  return [
    ...(spec.has('tls') ? (['tls'] as const) : []),
    ...(listenersFrom === 'None' ? [] : (['allowedListeners'] as const)),
    ...(spec.text('defaultScope', 'None') === 'None' ? [] : (['defaultScope'] as const)),
  ];
}

function parseInfrastructure(reader: FieldReader | null): GatewayInfrastructure {
  if (reader === null) return NO_INFRASTRUCTURE;
  const ref = reader.object('parametersRef');
  return {
    labels: parseLabels(reader, 'labels'),
    annotations: reader.textMap('annotations'),
    parametersRef:
      ref === null
        ? null
        : {
            group: ref.text('group'),
            kind: ref.text('kind'),
            name: parseNameOrNothing(ref, 'name') || ref.fail('name', 'the name of an object'),
          },
  };
}

function parseListener(reader: FieldReader): GatewayListener {
  return {
    name: reader.text('name'),
    port: reader.integer('port', 1, 65_535),
    protocol: reader.text('protocol'),
    hostname: reader.text('hostname', '') === '' ? null : parseHostname(reader, 'hostname'),
    tlsMode: reader.object('tls')?.oneOf('mode', ['Terminate', 'Passthrough'] as const, 'Terminate') ?? null,
    allowedRoutes: parseAllowedRoutes(reader.object('allowedRoutes')),
  };
}

function parseAllowedRoutes(reader: FieldReader | null): GatewayListener['allowedRoutes'] {
  const namespaces = reader?.object('namespaces') ?? null;
  const kinds = reader?.objects(
    'kinds',
    (kind) => ({ group: parseGroup(kind, GATEWAY_GROUP), kind: parseKindName(kind) }),
    KINDS_MAX,
  );
  return {
    from: namespaces === null ? { kind: 'same' } : parseFrom(namespaces),
    kinds: kinds === undefined || kinds.length === 0 ? null : kinds,
  };
}

function parseFrom(namespaces: FieldReader): GatewayListener['allowedRoutes']['from'] {
  switch (namespaces.oneOf('from', ['Same', 'All', 'Selector', 'None'] as const, 'Same')) {
    case 'Same':
      return { kind: 'same' };
    case 'All':
      return { kind: 'all' };
    case 'None':
      return { kind: 'none' };
    case 'Selector': {
      const selector = namespaces.object('selector');
      // Without one nobody is meant, rather than everybody.
      return selector === null ? { kind: 'none' } : { kind: 'selector', selector: parseLabelSelector(selector) };
    }
  }
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
