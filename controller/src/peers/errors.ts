import { MeshError, type MeshErrorOptions } from '@ambit/mesh/runtime';

const MESSAGES = {
  unreachable: 'replica does not answer',
  refused: 'replica answers something else than a report',
  'too-large': 'report is too large',
  malformed: 'report cannot be read',
} as const;

export type PeerErrorCode = keyof typeof MESSAGES;

/** Another replica did not tell what it was asked. Always worth another question. */
export class PeerError extends MeshError<PeerErrorCode> {
  override readonly name = 'PeerError';

  constructor(code: PeerErrorCode, options: Omit<MeshErrorOptions, 'retryable'> = {}) {
    super(code, MESSAGES[code], { ...options, retryable: true });
  }
}
