import type { LocalRoute } from './translate-local-routes.ts';

/** What a route says and this version does not do; `field` is its place in the route. */
export interface UnservedSetting {
  readonly field: string;
  readonly expected: string;
}

const ABSENT = 'nothing: this version does not act upon it';

/** Everything of a route that would be read and then not be done; empty when the route is served as it is written. */
export function unservedSettings({ parents, rules }: LocalRoute): readonly UnservedSetting[] {
  const found: UnservedSetting[] = [];
  for (const [index, { group, kind, sectionName }] of parents.entries()) {
    const field = `spec.parentRefs[${index}]`;
    if (kind !== 'Service') found.push({ field: `${field}.kind`, expected: 'Service' });
    else if (group !== '') found.push({ field: `${field}.group`, expected: '"", which Services are of' });
    if (sectionName !== null) found.push({ field: `${field}.sectionName`, expected: ABSENT });
  }
  for (const [index, rule] of rules.entries()) {
    const field = `spec.rules[${index}]`;
    const { fault } = rule;
    if (fault !== null) found.push({ field, expected: `a rule that this version knows: ${fault.message}` });
  }
  return found;
}
