import type { Framing, RequestHead } from './head.ts';

/** Sent to a client that waits for it before its body, when we and not the server take the body. */
export const CONTINUE_RESPONSE: Buffer = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n');

/**
 * `none`: nothing is expected, or nothing that has to be answered; Expect is not passed on. `pass-on`: the server is to say 100
 * or a final status. `refuse`: 417, since the server is too old to know the expectation (RFC 9110 10.1.1).
 */
export type ExpectDecision = 'none' | 'pass-on' | 'refuse';

/** What to do with the Expect of a request that goes to a server of this version; undefined when it is not known yet. */
export function decideExpect(
  request: { readonly expect: RequestHead['expect']; readonly framing: Framing },
  serverVersionMinor: 0 | 1 | undefined,
): ExpectDecision {
  if (request.expect === 'none') return 'none';
  if (request.expect === 'continue' && request.framing === 'none') return 'none';
  return serverVersionMinor === 0 ? 'refuse' : 'pass-on';
}

/** Whether an interim response is passed on: HTTP/1.0 knows none, and would take it for the answer (RFC 9110 15.2). */
export function passesInterim(clientVersionMinor: 0 | 1): boolean {
  return clientVersionMinor === 1;
}
