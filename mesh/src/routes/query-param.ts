/**
 * The first value of a parameter in a query, decoded as forms are (`+` is a space); null when it is not there. Names are
 * compared decoded as well. What is no valid encoding is taken as it is.
 */
export function queryParam(query: string, name: string): string | null {
  let equals = query.indexOf('=');
  for (let start = 0; start < query.length; ) {
    const found = query.indexOf('&', start);
    const end = found === -1 ? query.length : found;
    // Only when the last one is passed: parameters without a sign must not each search the rest.
    if (equals !== -1 && equals < start) equals = query.indexOf('=', start);
    const nameEnd = equals === -1 || equals > end ? end : equals;
    if (decoded(query.slice(start, nameEnd)) === name) return decoded(query.slice(nameEnd + 1, end));
    start = end + 1;
  }
  return null;
}

function decoded(text: string): string {
  if (!text.includes('%') && !text.includes('+')) return text;
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}
