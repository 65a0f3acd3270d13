import {
  KIND_LIMITS,
  LABEL_VALUE,
  LABEL_VALUE_LENGTH_MAX,
  MUTUAL_TLS_MODES,
  OBJECT_NAME,
  OBJECT_NAME_LENGTH_MAX,
} from '../limits.ts';
import type { CelRule, IntegerSchema, ObjectSchema, PrinterColumn, StatusStyle, TextSchema } from './schema.ts';

const LABEL_VALUE_MESSAGE =
  'at most 63 letters, digits, "-", "_", ".", beginning and ending with a letter or digit, as a label\'s value';

/** A pattern as Go's regular expressions write it: a slash needs no escape there. */
export function patternText(pattern: RegExp): string {
  return pattern.source.replaceAll(String.raw`\/`, '/');
}

/** The rule that a text matches `pattern`. */
export function matchesRule(pattern: RegExp, message: string): CelRule {
  return { rule: `self.matches(r'${patternText(pattern)}')`, message };
}

export function labelText(description: string): TextSchema {
  const rules = [matchesRule(LABEL_VALUE, LABEL_VALUE_MESSAGE)];
  return { type: 'text', description, lengthMax: LABEL_VALUE_LENGTH_MAX, rules };
}

/** The name of another object; `what` in words. */
export function objectName(description: string, what: string): TextSchema {
  const message = `the name of ${what}: lower-case letters, digits, "-" and "."`;
  return {
    type: 'text',
    description,
    lengthMin: 1,
    lengthMax: OBJECT_NAME_LENGTH_MAX,
    rules: [matchesRule(OBJECT_NAME, message)],
  };
}

export function port(description: string): IntegerSchema {
  return { type: 'integer', description, min: 1, max: 65_535 };
}

export function mutualTlsMode(description: string): TextSchema {
  return { type: 'text', description, values: MUTUAL_TLS_MODES, lengthMax: 16 };
}

/** Which workloads of the namespace a policy is for. */
export const SELECTOR: ObjectSchema = {
  type: 'object',
  description: 'The pods and ExternalWorkloads of this namespace that have these labels',
  required: ['matchLabels'],
  fields: {
    matchLabels: {
      type: 'map',
      description: 'Labels and their values; a workload has all of them',
      values: labelText("The label's value"),
      entriesMax: KIND_LIMITS.selectorLabels,
      rules: [
        { rule: 'self.size() > 0', message: 'at least one label; leave the selector out for the whole namespace' },
      ],
    },
  },
};

/** A column that shows one condition. */
export function conditionColumn(
  style: StatusStyle,
  type: string,
  description: string,
  field: 'status' | 'reason' | 'message' = 'status',
  priority = 0,
): PrinterColumn {
  const conditions = style === 'policy' ? '.status.ancestors[0].conditions' : '.status.conditions';
  const name = field === 'message' ? `${type} Message` : type;
  const jsonPath = `${conditions}[?(@.type=="${type}")].${field}`;
  return { name, type: 'string', description, jsonPath, ...(priority === 0 ? {} : { priority }) };
}

export const AGE: PrinterColumn = {
  name: 'Age',
  type: 'date',
  description: 'Time since it was made',
  jsonPath: '.metadata.creationTimestamp',
};
