/** RFC 9110 9.2.2: asked twice, they do what they do once. */
const REPEATABLE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/** Whether a request that a server may have seen may be sent again, because its connection was closed before an answer. */
export function isRepeatable(method: string): boolean {
  return REPEATABLE.has(method);
}
