import type { LineLevel } from './log-filter.ts';
import { safeValue } from './log-fields.ts';
import type { LogFields } from './logger.ts';

/** `<RFC3339 time>\t<level>\t<scope>\t<message>\t<key=value ...>` and a line feed (protocol.md 4.3). One line, always. */
export function formatTextLine(
  time: string,
  level: LineLevel,
  scope: string,
  message: string,
  fields: LogFields,
): string {
  const shown: string[] = [];
  for (const key of Object.keys(fields)) {
    const value = fields[key];
    if (value !== undefined) shown.push(`${key}=${formatTextValue(key, value)}`);
  }
  const head = `${time}\t${level}\t${scope}\t${oneLine(message)}`;
  return shown.length === 0 ? `${head}\n` : `${head}\t${shown.join(' ')}\n`;
}

function formatTextValue(key: string, value: unknown): string {
  const safe = safeValue(key, value);
  return typeof safe === 'string' ? JSON.stringify(safe) : (JSON.stringify(safe) ?? 'null');
}

function oneLine(text: string): string {
  return /[\t\r\n]/.test(text) ? text.replaceAll(/[\t\r\n]+/g, ' ') : text;
}
