import type { FieldReader } from './field-reader.ts';
import { KIND_LIMITS, MUTUAL_TLS_MODES } from './limits.ts';
import type { MutualTlsMode, MutualTlsPolicy } from './objects.ts';
import { parseSelector } from './parse-access-policy.ts';
import { parseMeta } from './parse-meta.ts';

/** ambit.dev/v1alpha1 MutualTLSPolicy. @throws KindError. */
export function parseMutualTlsPolicy(object: FieldReader): MutualTlsPolicy {
  object.allowOnly(['apiVersion', 'kind', 'metadata', 'spec', 'status']);
  const meta = parseMeta(object, 'namespaced');
  const spec = object.object('spec') ?? object.fail('spec', 'an object with a mode');
  spec.allowOnly(['selector', 'mode', 'ports']);
  const target = parseSelector(spec) ?? ({ kind: 'namespace' } as const);
  spec.refuseEmptyList('ports');
  const exceptions = spec.objects('ports', parseException, KIND_LIMITS.portModes);
  const ports = new Map(exceptions);
  if (ports.size < exceptions.length) spec.fail('ports', 'a list that names each port once');
  if (ports.size > 0 && target.kind === 'namespace')
    spec.fail('ports', 'absent unless a selector says which workloads');
  const mode = spec.has('mode') ? spec.oneOf('mode', MUTUAL_TLS_MODES) : null;
  if (mode === null && ports.size === 0) spec.fail('mode', 'Strict or Permissive');
  return { kind: 'MutualTLSPolicy', meta, target, mode, ports };
}

function parseException(reader: FieldReader): readonly [number, MutualTlsMode] {
  reader.allowOnly(['port', 'mode']);
  return [reader.integer('port', 1, 65_535), reader.oneOf('mode', MUTUAL_TLS_MODES)];
}
