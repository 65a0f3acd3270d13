/** Somebody asked for something else than a declared probe; the message is for our own log. */
export class NotAProbeError extends Error {
  override readonly name = 'NotAProbeError';
}
