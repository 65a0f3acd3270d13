import { isNodeName, type PrivateDirectory } from '@ambit/mesh/tls';
import { IdentityError } from './errors.ts';
import { forgetTokens } from './join-tokens.ts';

/** A node certificate that was issued. */
export interface IssuedRecord {
  readonly node: string;
  readonly notAfterMs: number;
  /** When the token was made by which the node came in; renewals keep it. */
  readonly admittedAtMs: number;
}

const ISSUED = 'node-certificates';
const REVOKED = 'revoked-nodes';
/** Records of expired certificates are dropped once per that many new ones. */
const ISSUES_PER_CLEANING = 32;

/**
 * Which node certificates are out (by serial number) and which nodes were revoked when. A certificate is withdrawn if its
 * node was revoked after the token was made that let it in, so one file says it all, whatever is being issued at that
 * moment. All of it is on disk and read again for each question: `controller revoke` works beside a running controller.
 */
export class NodeRegister {
  readonly #state: PrivateDirectory;
  #issuesUntilCleaning = 0;

  constructor(state: PrivateDirectory) {
    this.#state = state;
  }

  /** @throws IdentityError `state-damaged`. */
  isRevoked(node: string, serial: string): boolean {
    const revokedAtMs = this.revokedAtMs(node);
    if (revokedAtMs === undefined) return false;
    // A certificate nobody remembers does not survive its node's revocation.
    const admittedAtMs = this.#readIssued(serial)?.admittedAtMs ?? Number.NEGATIVE_INFINITY;
    return admittedAtMs <= revokedAtMs;
  }

  /** When the node's tokens and certificates of before were withdrawn. @throws IdentityError `state-damaged`. */
  revokedAtMs(node: string): number | undefined {
    if (!isNodeName(node)) return undefined;
    const directory = this.#state.subdirectory(REVOKED);
    const text = directory.read(node);
    if (text === undefined) return undefined;
    const atMs = numberIn(parseObject(`${directory.path}/${node}`, text), 'atMs');
    if (atMs === undefined) throw new IdentityError('state-damaged', { data: { path: `${directory.path}/${node}` } });
    return atMs;
  }

  /** Every node that was ever revoked, and when last. */
  revokedNodes(): ReadonlyMap<string, number> {
    const nodes = new Map<string, number>();
    for (const node of this.#state.subdirectory(REVOKED).list()) nodes.set(node, this.revokedAtMs(node) ?? 0);
    return nodes;
  }

  /** When the bearer of that certificate was let in; `fallbackMs` when there is no record of it. */
  admittedAtMs(serial: string, fallbackMs: number): number {
    return this.#readIssued(serial)?.admittedAtMs ?? fallbackMs;
  }

  /** Must happen before a certificate is handed out. */
  recordIssued(serial: string, record: IssuedRecord, nowMs: number): void {
    if (this.#issuesUntilCleaning-- === 0) {
      this.#issuesUntilCleaning = ISSUES_PER_CLEANING;
      this.#forgetExpired(nowMs);
    }
    this.#state.subdirectory(ISSUED).write(serial, JSON.stringify(record));
  }

  /**
   * Withdraws everything the node holds: certificates and join tokens. Returns how many. To come back it needs a token
   * that is made later.
   * @throws IdentityError `bad-node-name`.
   */
  revoke(node: string, nowMs: number): { readonly certificates: number; readonly tokens: number } {
    if (!isNodeName(node)) throw new IdentityError('bad-node-name', { data: { node } });
    const issued = this.#state.subdirectory(ISSUED);
    const certificates = issued.list().filter((serial) => {
      const record = this.#readIssued(serial);
      return record?.node === node && record.notAfterMs > nowMs && !this.isRevoked(node, serial);
    }).length;
    this.#state.subdirectory(REVOKED).write(node, JSON.stringify({ atMs: nowMs }));
    return { certificates, tokens: forgetTokens(this.#state, node) };
  }

  #forgetExpired(nowMs: number): void {
    const issued = this.#state.subdirectory(ISSUED);
    for (const serial of issued.list()) {
      const record = this.#readIssued(serial);
      if (record !== undefined && record.notAfterMs <= nowMs) issued.remove(serial);
    }
  }

  #readIssued(serial: string): IssuedRecord | undefined {
    const directory = this.#state.subdirectory(ISSUED);
    const text = directory.read(serial);
    if (text === undefined) return undefined;
    const path = `${directory.path}/${serial}`;
    const value = parseObject(path, text);
    const node: unknown = Reflect.get(value, 'node');
    const notAfterMs = numberIn(value, 'notAfterMs');
    const admittedAtMs = numberIn(value, 'admittedAtMs');
    if (typeof node !== 'string' || notAfterMs === undefined || admittedAtMs === undefined) {
      throw new IdentityError('state-damaged', { data: { path } });
    }
    return { node, notAfterMs, admittedAtMs };
  }
}

/** @throws IdentityError `state-damaged`: what cannot be read might be the very revocation we are asked about. */
function parseObject(path: string, text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value;
  } catch (cause) {
    throw new IdentityError('state-damaged', { cause, data: { path } });
  }
  throw new IdentityError('state-damaged', { data: { path } });
}

function numberIn(value: object, key: string): number | undefined {
  const member: unknown = Reflect.get(value, key);
  return typeof member === 'number' ? member : undefined;
}
