/** The part of a message that a fault was found in. */
export type FaultPlace = 'request-line' | 'status-line' | 'field' | 'framing' | 'chunk' | 'trailer' | 'body';

/** What a server answers to a request with a fault; then the connection is closed. */
export type FaultStatus = 400 | 414 | 431 | 501 | 505;

/** What we answer a client whose server sent a response with a fault. */
export const BAD_GATEWAY = 502;

export type FaultCode =
  | 'method'
  | 'method-length'
  | 'target'
  | 'target-length'
  | 'target-form'
  | 'version'
  | 'version-unsupported'
  | 'status-code'
  | 'reason'
  | 'line-end'
  | 'obs-fold'
  | 'field-name'
  | 'space-before-colon'
  | 'field-value'
  | 'field-count'
  | 'section-length'
  | 'host-missing'
  | 'host-duplicate'
  | 'host-invalid'
  | 'host-mismatch'
  | 'content-length-duplicate'
  | 'content-length-invalid'
  | 'transfer-encoding-duplicate'
  | 'transfer-encoding-invalid'
  | 'transfer-encoding-unsupported'
  | 'transfer-encoding-version'
  | 'length-and-chunked'
  | 'connect-body'
  | 'connection-invalid'
  | 'upgrade-unexpected'
  | 'interim-count'
  | 'unsolicited'
  | 'chunk-size'
  | 'chunk-size-range'
  | 'chunk-line-length'
  | 'chunk-extension'
  | 'chunk-extensions-length'
  | 'chunk-end'
  | 'trailer-forbidden'
  | 'truncated';

/** Every fault of a message, the status it is answered with and what is wrong. The README's table is compared with this. */
export const FAULTS: Readonly<Record<FaultCode, readonly [status: FaultStatus, meaning: string]>> = {
  method: [400, 'the method is not a token followed by one space'],
  'method-length': [501, 'the method is longer than any we could know'],
  target: [400, 'the target holds a control character, a fragment or a byte beyond ASCII, or is empty'],
  'target-length': [414, 'the target is too long'],
  'target-form': [400, 'the target has not the form that its method asks for'],
  version: [400, 'the version is not HTTP/ and two digits'],
  'version-unsupported': [505, 'the version is neither HTTP/1.0 nor HTTP/1.1'],
  'status-code': [400, 'the status is not three digits from 100 to 999'],
  reason: [400, 'the reason phrase holds a control character'],
  'line-end': [400, 'a line does not end with CR LF'],
  'obs-fold': [400, 'a line begins with white space'],
  'field-name': [400, 'a field name is empty or not a token'],
  'space-before-colon': [400, 'white space stands before the colon of a field'],
  'field-value': [400, 'a field value holds a control character'],
  'field-count': [431, 'too many fields'],
  'section-length': [431, 'the head or the trailers are too long'],
  'host-missing': [400, 'HTTP/1.1 without Host'],
  'host-duplicate': [400, 'more than one Host'],
  'host-invalid': [400, 'Host is not a name or address with an optional port'],
  'host-mismatch': [400, 'Host differs from the authority of the target'],
  'content-length-duplicate': [400, 'more than one Content-Length'],
  'content-length-invalid': [400, 'Content-Length is not one plain decimal number'],
  'transfer-encoding-duplicate': [400, 'more than one Transfer-Encoding'],
  'transfer-encoding-invalid': [400, 'Transfer-Encoding does not end with one "chunked"'],
  'transfer-encoding-unsupported': [501, 'Transfer-Encoding names a coding beside "chunked"'],
  'transfer-encoding-version': [400, 'Transfer-Encoding in HTTP/1.0'],
  'length-and-chunked': [400, 'Content-Length beside Transfer-Encoding'],
  'connect-body': [400, 'CONNECT with a body'],
  'connection-invalid': [
    400,
    'Connection is not a list of tokens, has too many, or names a field that framing depends on',
  ],
  'upgrade-unexpected': [400, '101 without a request to upgrade'],
  'interim-count': [400, 'too many interim responses'],
  unsolicited: [400, 'bytes without a request that they could answer'],
  'chunk-size': [400, 'a chunk size is not hexadecimal'],
  'chunk-size-range': [400, 'a chunk size is too large or has too many digits'],
  'chunk-line-length': [400, 'the line of a chunk size is too long'],
  'chunk-extension': [400, 'a chunk extension is not name or name=value'],
  'chunk-extensions-length': [400, 'the chunk extensions of a body are too long together'],
  'chunk-end': [400, 'a chunk is not followed by CR LF'],
  'trailer-forbidden': [400, 'a trailer may not be a trailer: framing, routing, credentials or content'],
  truncated: [400, 'the message ended in its middle'],
};

/**
 * Why a message is refused: a value, never thrown. After one there is no telling where the next message begins, so the
 * connection must be closed. It quotes nothing of the message, which may hold secrets.
 */
export interface Http1Fault {
  readonly code: FaultCode;
  readonly place: FaultPlace;
  /** Bytes from the beginning of the head, the body as sent, or the trailers: whichever `place` belongs to. */
  readonly offset: number;
  /** What the client is told: its own mistake, or `BAD_GATEWAY` when the server made it. */
  readonly status: FaultStatus | typeof BAD_GATEWAY;
}

export function faultOf(side: 'request' | 'response', code: FaultCode, place: FaultPlace, offset: number): Http1Fault {
  return { code, place, offset, status: side === 'request' ? FAULTS[code][0] : BAD_GATEWAY };
}
