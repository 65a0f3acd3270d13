import { parseObject } from '@ambit/mesh/kinds';

export type Json = Readonly<Record<string, unknown>>;

type Step = string | number;

/** The value of a change that takes the field away. */
const WITHOUT = undefined;

/** Takes each of these fields away. */
export function without(...paths: readonly string[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(paths.map((path) => [path, WITHOUT]));
}

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

/** Who wrote it, and what others say of it: no field that somebody could want something by. */
const FRAME: readonly string[] = ['apiVersion', 'kind', 'metadata', 'status'];

/**
 * Fields that the parser knows, at every place where this object has one: it names them when asked for another, or, of a kind with
 * fields that are nobody's business here, by what it looks for.
 */
export function knownFields(object: Json): readonly string[] {
  const found: string[] = [];
  const looked = fieldsLookedFor(object);
  const visit = (value: unknown, path: string): void => {
    if (Array.isArray(value)) return value.forEach((item, index) => visit(item, `${path}[${index}]`));
    if (typeof value !== 'object' || value === null) return;
    const names = namesAt(object, path) ?? looked.get(path) ?? [];
    found.push(...[...names].map((name) => fieldOf(`${path}.${name}`)));
    for (const [name, inner] of Object.entries(value)) visit(inner, `${path}.${name}`);
  };
  const own = Object.keys(object).filter((name) => !FRAME.includes(name));
  found.push(...own, ...[...(looked.get('') ?? [])].filter((name) => !FRAME.includes(name)));
  for (const name of own) visit(object[name], name);
  return [...new Set(found)];
}

/** Null where another field does no harm. */
function namesAt(object: Json, path: string): readonly string[] | null {
  const copy: Json = structuredClone(object);
  let at: unknown = copy;
  for (const step of stepsOf(path)) at = Object(at)[step];
  Object(at)[UNKNOWN] = 'x';
  const said = complaint(copy);
  if (said === null || said === complaint(object)) return null;
  const [, names] = new RegExp(`${UNKNOWN} is not a known field: expected one of ([\\w, ]*)`).exec(said) ?? [];
  if (names === undefined) throw new Error(`something else is wrong: ${said}`);
  return names.split(', ');
}

/** Why an object cannot be read, or is a fault that closes what it is for; null when it is right. */
function complaint(object: Json): string | null {
  try {
    const { validation } = Object(parseObject(object));
    return Object(validation).kind === 'fault' ? Object(validation).message : null;
  } catch (error) {
    if (Object(error).code !== 'unknown-field' && Object(error).code !== 'wrong-type') throw error;
    return String(error);
  }
}

/** By the place of an object in it: the fields that the parser looks for. Of maps, whose keys are free, none. */
function fieldsLookedFor(object: Json): ReadonlyMap<string, ReadonlySet<string>> {
  const looked = new Map<string, Set<string>>();
  const enumerated = new Map<string, object>();
  const watched = (value: unknown, path: string): unknown => {
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return value.map((item, index) => watched(item, `${path}[${index}]`));
    return new Proxy(value, {
      getOwnPropertyDescriptor: (target, name) => {
        const names = looked.get(path) ?? new Set();
        looked.set(path, names.add(String(name)));
        return Reflect.getOwnPropertyDescriptor(target, name);
      },
      ownKeys: (target) => {
        enumerated.set(path, target);
        return Reflect.ownKeys(target);
      },
      get: (target, name) => watched(Reflect.get(target, name), path === '' ? String(name) : `${path}.${String(name)}`),
    });
  };
  parseObject(watched(structuredClone(object), ''));
  // Whoever reads a map looks for what it has; whoever reads fields, and at what else there is, looks for some that are not there.
  for (const [path, target] of enumerated) {
    if ([...(looked.get(path) ?? [])].every((name) => Object.hasOwn(target, name))) looked.delete(path);
  }
  return looked;
}
