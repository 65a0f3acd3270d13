/** One line of a node agent's access log (docs/reference/node-agent.md, Access log): only what the demo shows. */
export interface AccessRecord {
  readonly level: string;
  readonly message: string;
  readonly fields: ReadonlyMap<string, string>;
}

const PAIR = /([a-z_.]+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))/g;

/** `null` for a line of another target, such as the agent's own log in the same file. */
export function parseAccessLine(line: string): AccessRecord | null {
  const [, level, target, message, pairs] = line.split('\t');
  if (level === undefined || target !== 'access' || message === undefined) return null;
  const fields = new Map<string, string>();
  for (const [, key, quoted, bare] of (pairs ?? '').matchAll(PAIR)) {
    if (key !== undefined) fields.set(key, quoted === undefined ? (bare ?? '') : quoted.replaceAll(/\\(.)/g, '$1'));
  }
  return { level, message, fields };
}

/** Records of one direction, oldest first. */
export function accessRecords(text: string, direction: 'inbound' | 'outbound'): AccessRecord[] {
  return text
    .split('\n')
    .map(parseAccessLine)
    .filter((record) => record !== null)
    .filter((record) => record.fields.get('direction') === direction);
}

/** The record of the connection an app opened from `sourceAddress` (`ip:port` as the app itself saw it). */
export function recordOfSource(records: readonly AccessRecord[], sourceAddress: string): AccessRecord | undefined {
  return records.findLast((record) => record.fields.get('src.addr') === sourceAddress);
}
