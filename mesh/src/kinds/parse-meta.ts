import type { FieldReader } from './field-reader.ts';
import { MODE_LABEL } from './labels.ts';
import { LABEL_VALUE, NAMESPACE_NAME, OBJECT_NAME } from './limits.ts';
import type { ObjectMeta } from './objects.ts';

/** Where an object without a namespace lives when its kind needs one, as `kubectl apply` does. */
const DEFAULT_NAMESPACE = 'default';

const EXPECTED_LABEL = 'at most 63 letters, digits, "-", "_", ".", beginning and ending with a letter or digit';

const MODES = ['ambient', 'none'] as const;

const EXPECTED_NAME = 'a name of lower-case letters, digits, "-" and ".", at most 253 long';

/** @throws KindError when name, namespace, labels, annotations or timestamp are not what Kubernetes allows. */
export function parseMeta(object: FieldReader, scope: 'cluster' | 'namespaced'): ObjectMeta {
  const meta = object.object('metadata') ?? object.fail('metadata', 'an object with a name');
  const name = meta.text('name');
  if (!OBJECT_NAME.test(name)) meta.fail('name', EXPECTED_NAME);
  return {
    name,
    namespace: scope === 'cluster' ? '' : parseNamespaceName(meta),
    uid: meta.text('uid', ''),
    labels: parseLabels(meta, 'labels'),
    annotations: meta.textMap('annotations'),
    creationTimestampMs: parseTimestamp(meta, 'creationTimestamp'),
    generation: meta.integer('generation', 0, Number.MAX_SAFE_INTEGER, 0),
  };
}

/**
 * Refuses an enrolment label that says neither yes nor no: a misspelt one would leave pods outside the mesh in silence.
 * @throws KindError.
 */
export function checkMode(object: FieldReader): void {
  object.object('metadata')?.object('labels')?.oneOf(MODE_LABEL, MODES, 'none');
}

function parseNamespaceName(meta: FieldReader): string {
  const namespace = meta.text('namespace', DEFAULT_NAMESPACE);
  return isNamespaceName(namespace) ? namespace : meta.fail('namespace', 'a namespace name');
}

/** A map of labels, such as `metadata.labels` or a selector. @throws KindError for a value that no label can have. */
export function parseLabels(reader: FieldReader, name: string): ReadonlyMap<string, string> {
  const labels = reader.textMap(name);
  for (const [label, value] of labels) {
    if (!LABEL_VALUE.test(value)) reader.object(name)?.fail(label, EXPECTED_LABEL);
  }
  return labels;
}

/** A text with the bounds of a label's value, empty when absent. @throws KindError. */
export function parseLabelText(reader: FieldReader | null, name: string): string {
  const text = reader?.text(name, '') ?? '';
  return LABEL_VALUE.test(text) || reader === null ? text : reader.fail(name, EXPECTED_LABEL);
}

/** The name of another object, empty when absent. @throws KindError. */
export function parseNameOrNothing(reader: FieldReader | null, name: string): string {
  const text = reader?.text(name, '') ?? '';
  return text === '' || reader === null || OBJECT_NAME.test(text) ? text : reader.fail(name, EXPECTED_NAME);
}

export function isNamespaceName(text: string): boolean {
  return NAMESPACE_NAME.test(text);
}

export function isObjectName(text: string): boolean {
  return OBJECT_NAME.test(text);
}

function parseTimestamp(reader: FieldReader, name: string): number {
  if (!reader.has(name)) return 0;
  const value = Date.parse(reader.text(name));
  return Number.isNaN(value) ? reader.fail(name, 'an RFC 3339 time') : value;
}
