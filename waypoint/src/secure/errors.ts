import { MeshError } from '@ambit/mesh/runtime';

/**
 * `closed` nothing may be sent there (data.reason: that of the policy); `handshake` the server was refused or refused us (data.reason: Node's
 * code); `name` its certificate has not the name that is asked for; `protocol` it agreed on another application protocol;
 * `aborted` the caller gave up.
 */
export type SecureErrorCode = 'closed' | 'handshake' | 'name' | 'protocol' | 'aborted';

const MESSAGES: Readonly<Record<SecureErrorCode, string>> = {
  closed: 'the policy for TLS of this port is not usable',
  handshake: 'the TLS handshake with the server failed',
  name: 'the certificate of the server is for another name',
  protocol: 'the server agreed on another application protocol',
  aborted: 'the TLS handshake with the server was given up',
};

/** A server cannot be reached in the way that a policy asks for; nothing has been sent. Never holds keys or certificates. */
export class SecureError extends MeshError<SecureErrorCode> {
  override readonly name = 'SecureError';

  constructor(code: SecureErrorCode, reason?: string) {
    super(code, MESSAGES[code], { retryable: true, ...(reason === undefined ? {} : { data: { reason } }) });
  }
}
