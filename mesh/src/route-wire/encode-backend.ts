import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { BackendSecurity, BackendTls, PortSecurity } from '../routes/backend-security.ts';
import {
  BackendSchema,
  type BackendTlsSchema,
  type SecuredPortsSchema,
} from '../wire/gen/ambit/waypoint/v1/backend_pb.ts';
import type { EncodedResource } from '../wire/model-to-push.ts';
import { SECURITY_FAULT } from './route-words.ts';

export const BACKEND_TYPE_URL: string = `type.googleapis.com/${BackendSchema.typeName}`;

/** The resource of one Service's ports with TLS. The same value gives the same bytes. */
export function encodeBackend({ service, secured }: BackendSecurity): EncodedResource {
  const message = create(BackendSchema, {
    service,
    secured: secured.map(({ ports, security }) => ({ ports: [...ports], kind: encodeSecurity(security) })),
  });
  return { name: service, aliases: [], typeUrl: BACKEND_TYPE_URL, value: toBinary(BackendSchema, message) };
}

function encodeSecurity(security: PortSecurity): NonNullable<MessageInitShape<typeof SecuredPortsSchema>['kind']> {
  return security.kind === 'tls'
    ? { case: 'tls', value: encodeTls(security) }
    : { case: 'invalid', value: SECURITY_FAULT.numbers[security.reason] };
}

function encodeTls({ serverName, roots, altNames }: BackendTls): MessageInitShape<typeof BackendTlsSchema> {
  return {
    serverName,
    roots: roots.kind === 'pem' ? { case: 'pem', value: roots.pem } : { case: 'system', value: {} },
    altNames: altNames.map((name) => ({
      kind: name.kind === 'hostname' ? { case: 'hostname', value: name.hostname } : { case: 'uri', value: name.uri },
    })),
  };
}
