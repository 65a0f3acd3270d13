import type { FieldReader } from './field-reader.ts';
import { KIND_LIMITS, POLICY_TARGET_GROUPS } from './limits.ts';
import type { PolicyTargetKind, PolicyTargetRef } from './objects.ts';
import { isObjectName } from './parse-meta.ts';

const KINDS: readonly string[] = Object.keys(POLICY_TARGET_GROUPS);

/** `spec.targetRefs`, each object once; empty when absent. @throws KindError. */
export function parsePolicyTargets(spec: FieldReader): readonly PolicyTargetRef[] {
  spec.refuseEmptyList('targetRefs');
  const refs = spec.objects('targetRefs', parseTargetRef, KIND_LIMITS.targetRefs);
  return [...new Map(refs.map((ref) => [`${ref.kind}/${ref.name}`, ref])).values()];
}

function parseTargetRef(reader: FieldReader): PolicyTargetRef {
  reader.allowOnly(['group', 'kind', 'name', 'sectionName']);
  const kind = reader.text('kind');
  if (!isTargetKind(kind)) return reader.fail('kind', `one of ${KINDS.join(', ')}`);
  const group = POLICY_TARGET_GROUPS[kind];
  if (reader.text('group') !== group) reader.fail('group', `${JSON.stringify(group)} for a ${kind}`);
  if (reader.has('sectionName')) reader.unsupported('sectionName', 'a policy holds for the whole object');
  const name = reader.text('name');
  return { kind, name: isObjectName(name) ? name : reader.fail('name', `the name of a ${kind}`) };
}

function isTargetKind(kind: string): kind is PolicyTargetKind {
  return Object.hasOwn(POLICY_TARGET_GROUPS, kind);
}
