import { MeshError, type MeshErrorOptions } from '@ambit/mesh/runtime';

const MESSAGES = {
  'state-damaged': 'a file of the identity state cannot be used',
  'bad-node-name': 'not a node name',
  'token-lifetime': 'a join token lives between a second and an hour',
  'authority-unusable': 'an authority cannot be used for signing',
  'session-secret-unusable': 'what keys of sessions come from cannot be used',
  'not-issued-here': 'not a certificate that the authority of this state directory has signed',
  'authority-not-ours':
    'the Secret of the authority is kept by somebody else: put its revocation list there, under ca-crl.pem',
  'too-many-revoked': 'too many certificates are withdrawn that have not ended yet: replace the authority instead',
  'too-many-tokens': 'too many join tokens wait to be used',
} as const;

export type IdentityErrorCode = keyof typeof MESSAGES;

/** The controller's own identity state, or a request of its operator, cannot be used as it is. Never retryable. */
export class IdentityError extends MeshError<IdentityErrorCode> {
  override readonly name = 'IdentityError';

  constructor(code: IdentityErrorCode, options: MeshErrorOptions = {}) {
    super(code, MESSAGES[code], options);
  }
}
