import type { AccessPolicy } from '../model/access-policy.ts';
import { serviceToModel, workloadToModel } from './address-to-model.ts';
import { decodeMessage } from './decode-message.ts';
import {
  ADDRESS_TYPE_URL,
  AUTHORIZATION_TYPE_URL,
  type DiscoveryResource,
  RANGES_TYPE_URL,
} from './discovery-messages.ts';
import { WireError } from './errors.ts';
import { invalidField } from './field-reader.ts';
import { AuthorizationSchema } from './gen/istio/security/authorization_pb.ts';
import { AddressSchema } from './gen/istio/workload/workload_pb.ts';
import { policyToModel } from './policy-to-model.ts';
import { type AddressResource, type PushedObject, resourceName } from './push-resource.ts';
import { parseRanges } from './ranges-message.ts';

/** Bytes of one `istio.workload.Address`. @throws WireError. */
export function parseAddressResource(bytes: Uint8Array): AddressResource {
  const { type } = decodeMessage(AddressSchema, bytes);
  switch (type.case) {
    case 'workload':
      return { kind: 'workload', workload: workloadToModel(type.value) };
    case 'service':
      return { kind: 'service', service: serviceToModel(type.value) };
    case undefined:
      return invalidField('address', 'neither a workload nor a service');
  }
}

/** Bytes of one `istio.security.Authorization`. @throws WireError. */
export function parseAuthorizationResource(bytes: Uint8Array): AccessPolicy {
  return policyToModel(decodeMessage(AuthorizationSchema, bytes));
}

/**
 * One resource of a discovery response. Its name must be that of its content, because removals come by name alone.
 * @throws WireError.
 */
export function parsePushedResource(resource: DiscoveryResource): PushedObject {
  const object = parseByType(resource);
  const expected = resourceName(object);
  if (resource.name !== expected) invalidField('resource.name', `its content is named ${JSON.stringify(expected)}`);
  return object;
}

function parseByType({ typeUrl, value }: DiscoveryResource): PushedObject {
  switch (typeUrl) {
    case ADDRESS_TYPE_URL:
      return parseAddressResource(value);
    case AUTHORIZATION_TYPE_URL:
      return { kind: 'policy', policy: parseAuthorizationResource(value) };
    case RANGES_TYPE_URL:
      return { kind: 'ranges', ranges: parseRanges(value) };
    default:
      throw new WireError('invalid-field', { path: 'resource.type_url', reason: 'not a type that was asked for' });
  }
}
