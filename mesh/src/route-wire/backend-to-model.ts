import { certificateBlocks } from '../kinds/certificate-blocks.ts';
import {
  CERTIFICATE_URI,
  CERTIFICATE_URI_LENGTH_MAX,
  HOSTNAME,
  HOSTNAME_LENGTH_MAX,
  PRECISE_HOSTNAME,
  ROUTE_LIMITS,
} from '../kinds/route-limits.ts';
import { parseServiceKey } from '../model/service.ts';
import type {
  BackendSecurity,
  BackendTls,
  ClosedBackend,
  PortSecurity,
  SubjectAltName,
} from '../routes/backend-security.ts';
import { decodeMessage } from '../wire/decode-message.ts';
import type { DiscoveryResource } from '../wire/discovery-messages.ts';
import { invalidField, overLimit, readEnum, readList, readModel } from '../wire/field-reader.ts';
import {
  BackendSchema,
  type BackendTls as TlsMessage,
  type CertificateName,
  type SecuredPorts,
} from '../wire/gen/ambit/waypoint/v1/backend_pb.ts';
import { BACKEND_TYPE_URL } from './encode-backend.ts';
import { ROUTE_WIRE_LIMITS } from './limits.ts';
import { readMatching, readPort, refuseRepeated } from './read-field.ts';
import { refuseUnknown } from './refuse-unknown.ts';
import { SECURITY_FAULT } from './route-words.ts';
import { serviceNamed } from './service-named.ts';

/**
 * What a pushed resource says of connections to one Service. Nothing of a resource that is not right in every field is used.
 * @throws WireError with the path of the first field that is not allowed.
 */
export function parseBackend({ name, typeUrl, value }: DiscoveryResource): BackendSecurity {
  if (typeUrl !== BACKEND_TYPE_URL) invalidField('resource.type_url', 'not a type that was asked for');
  const message = decodeMessage(BackendSchema, value);
  refuseUnknown(message, 'backend');
  const service = readModel('backend.service', () => parseServiceKey(message.service));
  if (service !== name) invalidField('resource.name', `its content is named ${JSON.stringify(service)}`);
  if (message.secured.length === 0) invalidField('backend.secured', 'empty');
  const secured = readList('backend.secured', ROUTE_WIRE_LIMITS.ports, message.secured, readSecured);
  refuseRepeated(
    'backend.secured',
    secured.flatMap(({ ports }) => ports),
  );
  return { service, secured };
}

/** What stands in for a resource of that name which cannot be read; undefined when it is the name of no Service. */
export function closedBackend(name: string): ClosedBackend | undefined {
  const service = serviceNamed(name);
  return service === undefined ? undefined : { service, secured: 'unknown' };
}

function readSecured({ ports, kind }: SecuredPorts, path: string): BackendSecurity['secured'][number] {
  if (ports.length === 0) invalidField(`${path}.ports`, 'empty');
  return {
    ports: readList(`${path}.ports`, ROUTE_WIRE_LIMITS.ports, ports, readPort),
    security: readSecurity(kind, path),
  };
}

function readSecurity(kind: SecuredPorts['kind'], path: string): PortSecurity {
  switch (kind.case) {
    case 'tls':
      return readTls(kind.value, `${path}.tls`);
    case 'invalid':
      return { kind: 'invalid', reason: readEnum(`${path}.invalid`, kind.value, SECURITY_FAULT) };
    case undefined:
      return invalidField(path, 'absent');
  }
}

function readTls({ serverName, roots, altNames }: TlsMessage, path: string): BackendTls {
  return {
    kind: 'tls',
    serverName: readMatching(`${path}.server_name`, serverName, PRECISE_HOSTNAME, HOSTNAME_LENGTH_MAX, 'a host name'),
    roots: readRoots(roots, path),
    altNames: readList(`${path}.alt_names`, ROUTE_LIMITS.altNames, altNames, readAltName),
  };
}

function readRoots(roots: TlsMessage['roots'], path: string): BackendTls['roots'] {
  switch (roots.case) {
    case 'pem': {
      const pem = roots.value;
      if (pem.length > ROUTE_WIRE_LIMITS.rootsLength)
        overLimit(`${path}.pem`, ROUTE_WIRE_LIMITS.rootsLength, 'characters');
      // In one form, so that nothing around the certificates is believed either.
      return certificateBlocks(pem)?.join('') === pem
        ? { kind: 'pem', pem }
        : invalidField(`${path}.pem`, 'not certificates, one block each');
    }
    case 'system':
      return { kind: 'system' };
    case undefined:
      return invalidField(`${path}.roots`, 'absent');
  }
}

function readAltName({ kind }: CertificateName, path: string): SubjectAltName {
  switch (kind.case) {
    case 'hostname':
      return {
        kind: 'hostname',
        hostname: readMatching(`${path}.hostname`, kind.value, HOSTNAME, HOSTNAME_LENGTH_MAX, 'a host name'),
      };
    case 'uri':
      return {
        kind: 'uri',
        uri: readMatching(`${path}.uri`, kind.value, CERTIFICATE_URI, CERTIFICATE_URI_LENGTH_MAX, 'an absolute URI'),
      };
    case undefined:
      return invalidField(path, 'absent');
  }
}
