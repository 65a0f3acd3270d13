import { WireError } from '../wire/errors.ts';

/**
 * Goes through a decoded message, which holds no bytes and no cycles. A field of a later version may be a condition or a
 * filter that must not be overlooked. @throws WireError `invalid-field` naming the message that has such a field.
 */
export function refuseUnknown(message: object, path: string): void {
  for (const [key, value] of Object.entries(message)) {
    if (key === '$unknown' && Array.isArray(value) && value.length > 0) {
      throw new WireError('invalid-field', { path, reason: 'has a field that this version does not know' });
    }
    if (typeof value !== 'object' || value === null || key === '$unknown') continue;
    const [field, content] = isOneof(value) ? [value.case, value.value] : [key, value];
    if (typeof content !== 'object' || content === null) continue;
    refuseUnknown(content, Array.isArray(message) ? `${path}[${field}]` : `${path}.${wireName(field)}`);
  }
}

/** What the decoder makes of a `oneof` in which something is set. */
function isOneof(value: object): value is { readonly case: string; readonly value: unknown } {
  return 'case' in value && typeof value.case === 'string' && !('$typeName' in value);
}

function wireName(property: string): string {
  return property.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`);
}
