import { formatJoinToken, isNodeName, type JoinToken, parseJoinToken, type PrivateDirectory } from '@ambit/mesh/tls';
import { createHash, randomBytes } from 'node:crypto';
import { IdentityError } from './errors.ts';
import { TOKEN_VALIDITY_MS_MAX, TOKEN_VALIDITY_MS_MIN, TOKENS_MAX } from './limits.ts';

/** Why a token is refused. For our log alone. */
export type TokenRefusal =
  | 'not-a-token'
  | 'unknown-token'
  | 'token-used'
  | 'token-expired'
  | 'token-for-other-node'
  | 'token-for-other-controller';

interface TokenRecord {
  readonly node: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

const WAITING = 'tokens';
const USED = 'used-tokens';

/**
 * Makes a token that lets `node` join once. On disk there is only a hash of its secret; the token is shown this once.
 * Works beside a running controller, which reads the same directory.
 * @throws IdentityError `bad-node-name`, `token-lifetime`, `too-many-tokens`.
 */
export function createJoinToken(
  state: PrivateDirectory,
  request: {
    readonly node: string;
    readonly rootSha256: string;
    readonly validityMs: number;
    readonly nowMs: number;
    /** Later than any revocation of the node that the token is to undo. */
    readonly createdAtMs: number;
  },
): string {
  const { node, rootSha256, validityMs, nowMs } = request;
  if (!isNodeName(node)) throw new IdentityError('bad-node-name', { data: { node } });
  if (!(validityMs >= TOKEN_VALIDITY_MS_MIN && validityMs <= TOKEN_VALIDITY_MS_MAX)) {
    throw new IdentityError('token-lifetime', { data: { 'validity.ms': validityMs } });
  }
  const waiting = state.subdirectory(WAITING);
  forgetExpired(state, nowMs);
  if (waiting.list().length >= TOKENS_MAX) throw new IdentityError('too-many-tokens', { data: { limit: TOKENS_MAX } });
  const secret = randomBytes(32).toString('hex');
  const expiresAtMs = Math.floor(nowMs + validityMs);
  const record: TokenRecord = { node, createdAtMs: request.createdAtMs, expiresAtMs };
  waiting.write(fileOf(secret), JSON.stringify(record));
  return formatJoinToken({ node, rootSha256, secret, expiresAtMs });
}

/** What a token says, if this controller may act on it; it is not spent yet. `claim` spends it. */
export type TokenCheck =
  | {
      readonly kind: 'valid';
      readonly node: string;
      readonly createdAtMs: number;
      /** False when someone else was faster. */
      readonly claim: () => boolean;
    }
  | { readonly kind: 'refused'; readonly reason: TokenRefusal; readonly node?: string };

/** Looks a presented token up. Bounded; never throws for what the peer sent. */
export function checkJoinToken(state: PrivateDirectory, text: string, rootSha256: string, nowMs: number): TokenCheck {
  const token = parseJoinToken(text);
  if (token === undefined) return { kind: 'refused', reason: 'not-a-token' };
  const waiting = state.subdirectory(WAITING);
  const file = fileOf(token.secret);
  const record = readRecord(waiting, file);
  const reason = refusalOf(token, record, rootSha256, nowMs, () => state.subdirectory(USED).read(file) !== undefined);
  if (reason !== undefined || record === undefined) {
    return { kind: 'refused', reason: reason ?? 'unknown-token', node: token.node };
  }
  return {
    kind: 'valid',
    node: record.node,
    createdAtMs: record.createdAtMs,
    claim: () => waiting.move(file, state.subdirectory(USED)),
  };
}

/** Deletes the tokens of one node that were not used yet. Returns how many. */
export function forgetTokens(state: PrivateDirectory, node: string): number {
  const waiting = state.subdirectory(WAITING);
  return waiting.list().filter((file) => readRecord(waiting, file)?.node === node && waiting.remove(file)).length;
}

function refusalOf(
  token: JoinToken,
  record: TokenRecord | undefined,
  rootSha256: string,
  nowMs: number,
  wasUsed: () => boolean,
): TokenRefusal | undefined {
  if (record === undefined) return wasUsed() ? 'token-used' : 'unknown-token';
  if (record.expiresAtMs <= nowMs) return 'token-expired';
  if (record.node !== token.node) return 'token-for-other-node';
  return token.rootSha256 === rootSha256 ? undefined : 'token-for-other-controller';
}

/** Used ones are kept for as long as they could have been valid, to tell reuse from invention. */
function forgetExpired(state: PrivateDirectory, nowMs: number): void {
  for (const directory of [state.subdirectory(WAITING), state.subdirectory(USED)]) {
    for (const file of directory.list()) {
      const record = readRecord(directory, file);
      if (record === undefined || record.expiresAtMs + TOKEN_VALIDITY_MS_MAX <= nowMs) directory.remove(file);
    }
  }
}

function readRecord(directory: PrivateDirectory, file: string): TokenRecord | undefined {
  try {
    const value: unknown = JSON.parse(directory.read(file) ?? 'null');
    if (typeof value !== 'object' || value === null) return undefined;
    const node: unknown = Reflect.get(value, 'node');
    const createdAtMs: unknown = Reflect.get(value, 'createdAtMs');
    const expiresAtMs: unknown = Reflect.get(value, 'expiresAtMs');
    if (typeof node !== 'string' || typeof createdAtMs !== 'number' || typeof expiresAtMs !== 'number')
      return undefined;
    return { node, createdAtMs, expiresAtMs };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The secret has 256 random bits: a plain hash keeps it from whoever reads the directory. */
function fileOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}
