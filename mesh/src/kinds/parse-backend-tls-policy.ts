import type { SubjectAltName } from '../routes/backend-security.ts';
import { KindError, type KindErrorCode } from './errors.ts';
import type { FieldReader } from './field-reader.ts';
import { AMBIT_DOMAIN } from './labels.ts';
import { parseMeta } from './parse-meta.ts';
import {
  parseGroup,
  parseHostname,
  parseKindName,
  parseName,
  parsePreciseHostname,
  parseSectionName,
} from './parse-route-refs.ts';
import { CERTIFICATE_URI, CERTIFICATE_URI_LENGTH_MAX, ROUTE_LIMITS } from './route-limits.ts';
import type { BackendTlsPolicy, BackendValidation } from './route-objects.ts';

const OPTION_LENGTH_MAX = 4096;
const SYSTEM_ROOTS = 'System';
/** What a newer version may mean something by. */
const FAULTS: readonly KindErrorCode[] = ['unsupported-value', 'unknown-field'];

/**
 * gateway.networking.k8s.io/v1 BackendTLSPolicy. What this version does not know is a fault of the policy and no error: without any
 * policy its ports would be reached in plaintext. @throws KindError.
 */
export function parseBackendTlsPolicy(object: FieldReader): BackendTlsPolicy {
  object.allowOnly(['apiVersion', 'kind', 'metadata', 'spec', 'status']);
  const meta = parseMeta(object, 'namespaced');
  const spec = object.object('spec') ?? object.fail('spec', 'an object with targetRefs and validation');
  return { kind: 'BackendTLSPolicy', meta, targets: parseTargets(spec), validation: parseValidation(spec) };
}

function parseValidation(spec: FieldReader): BackendTlsPolicy['validation'] {
  const validation = spec.object('validation') ?? spec.fail('validation', 'an object with a hostname');
  try {
    const known = parseKnown(validation);
    spec.allowOnly(['targetRefs', 'validation', 'options']);
    validation.allowOnly(['caCertificateRefs', 'wellKnownCACertificates', 'hostname', 'subjectAltNames']);
    checkOptions(spec);
    return known;
  } catch (error) {
    if (!(error instanceof KindError) || !FAULTS.includes(error.code)) throw error;
    return { kind: 'fault', message: error.message };
  }
}

function parseKnown(validation: FieldReader): BackendValidation {
  return {
    kind: 'known',
    hostname: parsePreciseHostname(validation, 'hostname') ?? validation.fail('hostname', 'the server name'),
    subjectAltNames: validation.objects('subjectAltNames', parseAltName, ROUTE_LIMITS.altNames),
    roots: parseRoots(validation),
  };
}

function parseTargets(spec: FieldReader): BackendTlsPolicy['targets'] {
  const targets = spec.objects(
    'targetRefs',
    (reader) => {
      reader.allowOnly(['group', 'kind', 'name', 'sectionName']);
      return {
        group: parseGroup(reader),
        kind: parseKindName(reader),
        name: parseName(reader),
        sectionName: parseSectionName(reader, 'sectionName'),
      };
    },
    ROUTE_LIMITS.policyTargets,
  );
  if (targets.length === 0) spec.fail('targetRefs', 'a list with at least one target');
  for (const refs of Map.groupBy(targets, ({ group, kind, name }) => `${group}/${kind}/${name}`).values()) {
    const sections = new Set(refs.map(({ sectionName }) => sectionName));
    if (refs.length > 1 && (sections.has(null) || sections.size < refs.length)) {
      spec.fail('targetRefs', 'a list whose references to one object all differ in sectionName');
    }
  }
  return targets;
}

function parseRoots(validation: FieldReader): BackendValidation['roots'] {
  const refs = validation.objects(
    'caCertificateRefs',
    (reader) => {
      reader.allowOnly(['group', 'kind', 'name']);
      return { group: parseGroup(reader), kind: parseKindName(reader), name: parseName(reader) };
    },
    ROUTE_LIMITS.caRefs,
  );
  const wellKnown = validation.text('wellKnownCACertificates', '');
  if (refs.length > 0 && wellKnown !== '')
    validation.fail('wellKnownCACertificates', 'absent beside caCertificateRefs');
  if (refs.length > 0) return { kind: 'refs', refs };
  if (wellKnown === '') validation.fail('caCertificateRefs', 'at least one reference, or wellKnownCACertificates');
  if (wellKnown !== SYSTEM_ROOTS) {
    validation.unsupported('wellKnownCACertificates', `this version knows ${SYSTEM_ROOTS}`);
  }
  return { kind: 'system' };
}

function parseAltName(reader: FieldReader): SubjectAltName {
  reader.allowOnly(['type', 'hostname', 'uri']);
  if (reader.oneOf('type', ['Hostname', 'URI'] as const) === 'Hostname') {
    if (reader.text('uri', '') !== '') reader.fail('uri', 'absent, for type Hostname');
    return { kind: 'hostname', hostname: parseHostname(reader, 'hostname') };
  }
  if (reader.text('hostname', '') !== '') reader.fail('hostname', 'absent, for type URI');
  const uri = reader.text('uri');
  return CERTIFICATE_URI.test(uri) && uri.length <= CERTIFICATE_URI_LENGTH_MAX
    ? { kind: 'uri', uri }
    : reader.fail('uri', 'an absolute URI');
}

/** Those of other domains are theirs. */
function checkOptions(spec: FieldReader): void {
  const options = spec.textMap('options');
  if (options.size > ROUTE_LIMITS.options) spec.fail('options', `at most ${ROUTE_LIMITS.options} entries`);
  for (const [key, value] of options) {
    const reader = spec.object('options') ?? spec;
    if (value.length > OPTION_LENGTH_MAX) reader.fail(key, `at most ${OPTION_LENGTH_MAX} characters`);
    if (key.startsWith(`${AMBIT_DOMAIN}/`)) reader.unsupported(key, 'there is no such option');
  }
}
