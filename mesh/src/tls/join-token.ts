/**
 * What a node needs to join a mesh without Kubernetes: proof that it may, and how to recognise the controller. A secret
 * until it is used.
 */
export interface JoinToken {
  readonly node: string;
  /** SHA-256 of the DER of the controller's root, 64 lower-case hexadecimal digits. */
  readonly rootSha256: string;
  /** 64 lower-case hexadecimal digits. */
  readonly secret: string;
  /** For a good error message; the controller keeps its own count. */
  readonly expiresAtMs: number;
}

const PREFIX = 'ambit-join-1.';
const TOKEN_LENGTH_MAX = 1024;
const HEX_32_BYTES = /^[0-9a-f]{64}$/;
const NODE_NAME = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

/** A node's name: a lower-case host name, as Kubernetes has it. */
export function isNodeName(text: string): boolean {
  return NODE_NAME.test(text);
}

/** One word of printable ASCII. */
export function formatJoinToken(token: JoinToken): string {
  const fields = [token.rootSha256, token.secret, String(token.expiresAtMs), token.node];
  return PREFIX + Buffer.from(fields.join(' '), 'latin1').toString('base64url');
}

/** Undefined for any other text. Bounded; never throws. */
export function parseJoinToken(text: string): JoinToken | undefined {
  if (text.length > TOKEN_LENGTH_MAX || !text.startsWith(PREFIX)) return undefined;
  const fields = Buffer.from(text.slice(PREFIX.length), 'base64url').toString('latin1').split(' ');
  const [rootSha256 = '', secret = '', expires = '', node = ''] = fields;
  const isValid =
    fields.length === 4 &&
    HEX_32_BYTES.test(rootSha256) &&
    HEX_32_BYTES.test(secret) &&
    /^\d{1,15}$/.test(expires) &&
    isNodeName(node);
  return isValid ? { rootSha256, secret, expiresAtMs: Number(expires), node } : undefined;
}
