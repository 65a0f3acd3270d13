const COMMON_METHODS: readonly string[] = [
  'GET',
  'POST',
  'HEAD',
  'PUT',
  'DELETE',
  'OPTIONS',
  'PATCH',
  'CONNECT',
  'TRACE',
];

/** The method in `[start, end)`. Those that are common make no new string. */
export function methodOf(bytes: Buffer, start: number, end: number): string {
  for (const method of COMMON_METHODS) {
    if (method.length === end - start && isAt(bytes, start, method)) return method;
  }
  return bytes.toString('latin1', start, end);
}

function isAt(bytes: Buffer, start: number, text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    if (bytes[start + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}
