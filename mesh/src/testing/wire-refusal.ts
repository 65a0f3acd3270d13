import assert from 'node:assert/strict';
import { WireError } from '../wire/errors.ts';

/** `code path` of the WireError that `parse` throws, or `accepted`. Any other error fails the test. */
export function wireRefusal(parse: () => unknown): string {
  try {
    parse();
  } catch (error) {
    assert.ok(error instanceof WireError, String(error));
    return `${error.code} ${error.detail.path}`;
  }
  return 'accepted';
}
