/** Longest name of one part of a key: a Kubernetes name or host name has at most 253 characters, wildcards included. */
const MAX_OBJECT_NAME_LENGTH = 255;

/** One part of a `namespace/name` key: not empty, without a slash, printable. */
export function isObjectName(text: string): boolean {
  return text.length <= MAX_OBJECT_NAME_LENGTH && !text.includes('/') && isPrintable(text);
}

/** At least one character, none of them a space, a control character or outside ASCII: what keys and logs can carry. */
export function isPrintable(text: string): boolean {
  return /^[!-~]+$/.test(text);
}
