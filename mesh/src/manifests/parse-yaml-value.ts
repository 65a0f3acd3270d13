import { parseDocument } from 'yaml';
import { MANIFEST_LIMITS } from './limits.ts';

/** A longer text is no value that somebody writes by hand. */
const TEXT_LENGTH_MAX = 64 * 1024;

/** One value written as YAML or JSON; the text itself when it is neither. Bounded against aliases that multiply. */
export function parseYamlValue(text: string): unknown {
  if (text.length > TEXT_LENGTH_MAX) return text;
  try {
    const document = parseDocument(text, { prettyErrors: false, logLevel: 'error' });
    if (document.errors.length > 0) return text;
    return document.toJS({ maxAliasCount: MANIFEST_LIMITS.aliasesMax }) as unknown;
  } catch {
    return text;
  }
}
