import { parseObject } from '@ambit/mesh/kinds';

export type Json = Readonly<Record<string, unknown>>;

type Step = string | number;

/** The value of a change that takes the field away. */
export const WITHOUT = undefined;

const UNKNOWN = 'thisIsNoField';

/** `spec.rules[0].name` in steps. */
function stepsOf(path: string): readonly Step[] {
  return path
    .split(/[.[\]]+/)
    .filter((step) => step !== '')
    .map((step) => (/^\d+$/.test(step) ? Number(step) : step));
}

/**
 * The field whatever place it has in its lists: `spec.rules[].name`. Filters of a backend are read as those of a rule are, and
 * are the same fields.
 */
export function fieldOf(path: string): string {
  return path.replaceAll(/\[\d+\]/g, '[]').replace('.backendRefs[].filters[]', '.filters[]');
}

/** A copy in which the field at `path` has another value. @throws Error when it is not there. */
export function changed(object: Json, path: string, value: unknown): Json {
  const copy: Json = structuredClone(object);
  const steps = stepsOf(path);
  const last = steps.at(-1) ?? '';
  let at: unknown = copy;
  for (const step of steps.slice(0, -1)) at = Object(at)[step];
  const holder: Record<Step, unknown> = Object(at);
  if (!Object.hasOwn(holder, last)) throw new Error(`${path} is not there`);
  if (value === WITHOUT) delete holder[last];
  else holder[last] = value;
  return copy;
}

/** Fields below `spec` that the parser knows, at every place where this object has one: it names them when asked for another. */
export function knownFields(object: Json): readonly string[] {
  const found: string[] = [];
  const visit = (value: unknown, path: string): void => {
    if (Array.isArray(value)) return value.forEach((item, index) => visit(item, `${path}[${index}]`));
    if (typeof value !== 'object' || value === null) return;
    found.push(...namesAt(object, path).map((name) => fieldOf(`${path}.${name}`)));
    for (const [name, inner] of Object.entries(value)) visit(inner, `${path}.${name}`);
  };
  visit(object['spec'], 'spec');
  return [...new Set(found)];
}

function namesAt(object: Json, path: string): readonly string[] {
  const copy: Json = structuredClone(object);
  let at: unknown = copy;
  for (const step of stepsOf(path)) at = Object(at)[step];
  Object(at)[UNKNOWN] = 1;
  try {
    parseObject(copy);
  } catch (error) {
    const { code, detail } = Object(error);
    const names = /^one of (.*)$/.exec(detail?.expected ?? '')?.[1];
    if (code === 'unknown-field' && detail.field === `${path}.${UNKNOWN}` && names !== undefined) {
      return names.split(', ');
    }
    throw error;
  }
  throw new Error(`a field that nobody knows passes at ${path}`);
}
