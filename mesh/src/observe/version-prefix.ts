/** What a start line of HTTP/1 says before the last digit of its version. */
export const VERSION_PREFIX: Buffer = Buffer.from('HTTP/1.');
