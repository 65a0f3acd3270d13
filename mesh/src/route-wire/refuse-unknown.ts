import { WireError } from '../wire/errors.ts';

/**
 * Goes through a decoded message, which holds no bytes and no cycles. A field of a later version may be a condition or a
 * filter that must not be overlooked. @throws WireError `invalid-field` naming the message that has such a field.
 */
export function refuseUnknown(message: object, path: string): void {
  const found = pathOfUnknown(message);
  if (found === null) return;
  throw new WireError('invalid-field', { path: path + found, reason: 'has a field that this version does not know' });
}

/** Null when all is known. The path is put together on the way back: thousands of routes are gone through without one. */
function pathOfUnknown(message: object): string | null {
  for (const [key, value] of Object.entries(message)) {
    if (typeof value !== 'object' || value === null) continue;
    if (key === '$unknown') return '';
    const [field, content] = isOneof(value) ? [value.case, value.value] : [key, value];
    const found = typeof content === 'object' && content !== null ? pathOfUnknown(content) : null;
    if (found !== null) return `${Array.isArray(message) ? `[${field}]` : `.${wireName(field)}`}${found}`;
  }
  return null;
}

/** What the decoder makes of a `oneof` in which something is set. */
function isOneof(value: object): value is { readonly case: string; readonly value: unknown } {
  return 'case' in value && typeof value.case === 'string' && !('$typeName' in value);
}

function wireName(property: string): string {
  return property.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`);
}
