import type { FieldReader } from './field-reader.ts';
import { AMBIT_DOMAIN } from './labels.ts';
import { isNamespaceName, isObjectName } from './parse-meta.ts';
import { HOSTNAME, HOSTNAME_LENGTH_MAX, KIND_NAME, PRECISE_HOSTNAME, ROUTE_LIMITS, SUBDOMAIN } from './route-limits.ts';
import type { BackendRef, ParentRef } from './route-objects.ts';
import { parseServiceVersion, SERVICE_VERSION_KIND } from './service-version.ts';

export const GATEWAY_GROUP = 'gateway.networking.k8s.io';

const EXPECTED_HOSTNAME = 'a host name in lower case, which may begin with "*." and is no IP address';
const EXPECTED_PRECISE_HOSTNAME = 'a host name in lower case, without "*" and no IP address';
const IPV4 = /^[0-9]+(?:\.[0-9]+){3}$/;

/** `spec.parentRefs`. Those of one object differ in `sectionName` or `port`, and all or none say it. @throws KindError. */
export function parseParentRefs(spec: FieldReader, namespace: string): readonly ParentRef[] {
  const parents = spec.objects('parentRefs', (ref) => parseParentRef(ref, namespace), ROUTE_LIMITS.parents);
  const byObject = Map.groupBy(parents, (ref) => `${ref.group}/${ref.kind}/${ref.namespace}/${ref.name}`);
  for (const refs of byObject.values()) {
    const [first] = refs;
    const alike = refs.every(
      (ref) =>
        (ref.sectionName === null) === (first?.sectionName === null) && (ref.port === null) === (first?.port === null),
    );
    const sections = new Set(refs.map((ref) => `${ref.sectionName ?? ''}:${ref.port ?? ''}`));
    if (!alike || sections.size < refs.length) {
      spec.fail('parentRefs', 'a list whose references to one object all differ in sectionName, in port, or in both');
    }
  }
  return parents;
}

function parseParentRef(reader: FieldReader, namespace: string): ParentRef {
  reader.allowOnly(['group', 'kind', 'namespace', 'name', 'sectionName', 'port']);
  return {
    group: parseGroup(reader, GATEWAY_GROUP),
    kind: parseKindName(reader, 'Gateway'),
    namespace: parseNamespace(reader, namespace),
    name: parseName(reader),
    sectionName: parseSectionName(reader, 'sectionName'),
    port: parsePortOrNothing(reader),
  };
}

const BACKEND_FIELDS = ['group', 'kind', 'namespace', 'name', 'port'] as const;

/** A reference to what requests are sent to; `more` are fields beside it. @throws KindError. */
export function parseBackendRef(reader: FieldReader, namespace: string, more: readonly string[] = []): BackendRef {
  reader.allowOnly([...BACKEND_FIELDS, ...more]);
  const group = parseGroup(reader, '');
  const kind = parseKindName(reader, 'Service');
  const port = parsePortOrNothing(reader);
  const isVersion = group === AMBIT_DOMAIN && kind === SERVICE_VERSION_KIND;
  if (port === null && (isVersion || (group === '' && kind === 'Service')))
    reader.fail('port', 'the port of the Service');
  const name = isVersion ? parseVersionName(reader) : parseName(reader);
  return { group, kind, namespace: parseNamespace(reader, namespace), name, port };
}

/** What is to be versions of several Services, or all of one, is several references. */
function parseVersionName(reader: FieldReader): string {
  const name = reader.text('name');
  return parseServiceVersion(name) === null
    ? reader.fail('name', 'SERVICE.VERSION: the name of a Service, a dot and the value of its version label')
    : name;
}

export function parseWeight(reader: FieldReader): number {
  return reader.integer('weight', 0, ROUTE_LIMITS.weight, 1);
}

/** @throws KindError. */
export function parseHostnames(spec: FieldReader, max: number): readonly string[] {
  const parse = (text: string): string => {
    if (!isHostname(text)) throw new RangeError('no host name');
    return text;
  };
  return spec.parsedTexts('hostnames', EXPECTED_HOSTNAME, parse, max);
}

/** One that may begin with `*.`. @throws KindError. */
export function parseHostname(reader: FieldReader, name: string): string {
  const text = reader.text(name);
  return isHostname(text) ? text : reader.fail(name, EXPECTED_HOSTNAME);
}

function isHostname(text: string): boolean {
  return HOSTNAME.test(text) && text.length <= HOSTNAME_LENGTH_MAX && !IPV4.test(text);
}

/** One that stands for itself; null when absent. @throws KindError. */
export function parsePreciseHostname(reader: FieldReader, name: string): string | null {
  if (!reader.has(name)) return null;
  const text = reader.text(name);
  const isName = PRECISE_HOSTNAME.test(text) && text.length <= HOSTNAME_LENGTH_MAX && !IPV4.test(text);
  return isName ? text : reader.fail(name, EXPECTED_PRECISE_HOSTNAME);
}

export function parseGroup(reader: FieldReader, fallback?: string): string {
  const group = reader.text('group', fallback);
  return group === '' || (SUBDOMAIN.test(group) && group.length <= HOSTNAME_LENGTH_MAX)
    ? group
    : reader.fail('group', 'an API group, or "" for the core group');
}

export function parseKindName(reader: FieldReader, fallback?: string): string {
  const kind = reader.text('kind', fallback);
  return KIND_NAME.test(kind) ? kind : reader.fail('kind', 'the name of a kind');
}

export function parseName(reader: FieldReader): string {
  const name = reader.text('name');
  return isObjectName(name) ? name : reader.fail('name', 'the name of an object');
}

export function parseNamespace(reader: FieldReader, fallback?: string): string {
  const namespace = reader.text('namespace', fallback);
  return isNamespaceName(namespace) ? namespace : reader.fail('namespace', 'the name of a namespace');
}

/** Null when absent or empty. */
export function parseSectionName(reader: FieldReader, name: string): string | null {
  const text = reader.text(name, '');
  if (text === '') return null;
  const isName = SUBDOMAIN.test(text) && text.length <= HOSTNAME_LENGTH_MAX;
  return isName ? text : reader.fail(name, 'a name of lower-case letters, digits, "-" and "."');
}

function parsePortOrNothing(reader: FieldReader): number | null {
  return reader.has('port') ? reader.integer('port', 1, 65_535) : null;
}
