import type { FieldReader } from './field-reader.ts';
import { parseLabels } from './parse-meta.ts';
import type { LabelSelector } from './objects.ts';

const REQUIREMENTS_MAX = 64;
const VALUES_MAX = 64;

/** A selector as Kubernetes has it; empty selects everything. @throws KindError. */
export function parseLabelSelector(reader: FieldReader): LabelSelector {
  reader.allowOnly(['matchLabels', 'matchExpressions']);
  const expressions = reader.objects(
    'matchExpressions',
    (expression) => {
      expression.allowOnly(['key', 'operator', 'values']);
      const operator = expression.oneOf('operator', ['In', 'NotIn', 'Exists', 'DoesNotExist'] as const);
      const values = expression.parsedTexts('values', 'a text', (text) => text, VALUES_MAX);
      const needsValues = operator === 'In' || operator === 'NotIn';
      if (needsValues !== values.length > 0) {
        expression.fail('values', needsValues ? 'a list with at least one value' : `absent, for operator ${operator}`);
      }
      return { key: expression.text('key'), operator, values };
    },
    REQUIREMENTS_MAX,
  );
  return { matchLabels: parseLabels(reader, 'matchLabels'), matchExpressions: expressions };
}

/** Whether an object with these labels is selected. */
export function selects(selector: LabelSelector, labels: ReadonlyMap<string, string>): boolean {
  for (const [key, value] of selector.matchLabels) {
    if (labels.get(key) !== value) return false;
  }
  return selector.matchExpressions.every(({ key, operator, values }) => {
    const value = labels.get(key);
    switch (operator) {
      case 'In':
        return value !== undefined && values.includes(value);
      case 'NotIn':
        return value === undefined || !values.includes(value);
      case 'Exists':
        return value !== undefined;
      case 'DoesNotExist':
        return value === undefined;
    }
  });
}
