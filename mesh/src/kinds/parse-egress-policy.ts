import { type Cidr, parseCidr, parsePort } from '../model/address.ts';
import { KindError } from './errors.ts';
import { type FieldReader, shown } from './field-reader.ts';
import { KIND_LIMITS, UNKNOWN_DESTINATIONS } from './limits.ts';
import type { AllowedDestinations, EgressPolicy } from './objects.ts';
import { parseMeta } from './parse-meta.ts';

/** ambit.dev/v1alpha1 EgressPolicy. @throws KindError. */
export function parseEgressPolicy(object: FieldReader): EgressPolicy {
  object.allowOnly(['apiVersion', 'kind', 'metadata', 'spec', 'status']);
  const meta = parseMeta(object, 'namespaced');
  const spec = object.object('spec') ?? object.fail('spec', 'an object that says what becomes of unknown destinations');
  spec.allowOnly(['unknownDestinations', 'allow']);
  const unknownDestinations = spec.oneOf('unknownDestinations', UNKNOWN_DESTINATIONS);
  const allow = spec.objects('allow', parseAllowed, KIND_LIMITS.egressEntries);
  if (unknownDestinations === 'Allow' && spec.has('allow')) spec.fail('allow', 'absent where everything is allowed');
  return { kind: 'EgressPolicy', meta, unknownDestinations, allow };
}

function parseAllowed(reader: FieldReader): AllowedDestinations {
  reader.allowOnly(['cidrs', 'ports']);
  reader.refuseEmptyList('ports');
  const expected = 'an IP address or block such as 192.0.2.0/24';
  const cidrs: readonly Cidr[] = reader.parsedTexts('cidrs', expected, parseCidr, KIND_LIMITS.egressBlocks);
  if (cidrs.length === 0) reader.fail('cidrs', 'at least one address or block');
  const ports = reader.list(
    'ports',
    (item, path) => {
      if (typeof item === 'number' && Number.isInteger(item) && item >= 1 && item <= 65_535) return parsePort(item);
      throw new KindError('invalid-value', { field: path, value: shown(item), expected: 'a port from 1 to 65535' });
    },
    KIND_LIMITS.egressPorts,
  );
  return { cidrs, ports };
}
