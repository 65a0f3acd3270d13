/**
 * What becomes of a message with a fault. `reset`: RST_STREAM with PROTOCOL_ERROR, as RFC 9113 8.1.1 asks for what is
 * malformed. A number: the message is legal, and what a server answers to it.
 */
export type FaultAnswer = 'reset' | 414 | 431 | 501;

export type FaultCode =
  | 'field-name'
  | 'field-value'
  | 'connection-field'
  | 'te'
  | 'pseudo-unknown'
  | 'pseudo-duplicate'
  | 'pseudo-late'
  | 'pseudo-forbidden'
  | 'pseudo-missing'
  | 'section-length'
  | 'method'
  | 'method-length'
  | 'scheme'
  | 'path'
  | 'path-length'
  | 'authority'
  | 'authority-missing'
  | 'protocol'
  | 'host-duplicate'
  | 'host-mismatch'
  | 'content-length-duplicate'
  | 'content-length-invalid'
  | 'connect-length'
  | 'body-length'
  | 'body-unexpected'
  | 'status-code'
  | 'interim-end'
  | 'interim-count'
  | 'trailers-open'
  | 'trailer-forbidden'
  | 'response-missing';

/** Every fault of a message, what becomes of it and what is wrong. The README's table is compared with this. */
export const FAULTS: Readonly<Record<FaultCode, readonly [answer: FaultAnswer, meaning: string]>> = {
  'field-name': ['reset', 'a field name is empty or not a token in lower case'],
  'field-value': ['reset', 'a field value holds a control character, or white space at an end'],
  'connection-field': ['reset', 'a field that speaks of one connection of HTTP/1.1'],
  te: ['reset', 'TE asks for something else than trailers'],
  'pseudo-unknown': ['reset', 'a pseudo-header that nobody has defined'],
  'pseudo-duplicate': ['reset', 'a pseudo-header comes twice'],
  'pseudo-late': ['reset', 'a pseudo-header comes after a regular field'],
  'pseudo-forbidden': ['reset', 'a pseudo-header has no place in this kind of message'],
  'pseudo-missing': ['reset', 'a pseudo-header is missing'],
  'section-length': [431, 'the fields are too many or too long'],
  method: ['reset', 'the method is not a token'],
  'method-length': [501, 'the method is longer than any we could know'],
  scheme: ['reset', 'the scheme is neither http nor https'],
  path: ['reset', 'the path does not begin with a slash, or holds a space, a fragment or a byte beyond ASCII'],
  'path-length': [414, 'the path is too long'],
  authority: ['reset', 'the authority, or Host, is not a name or address with an optional port'],
  'authority-missing': ['reset', 'neither :authority nor Host'],
  protocol: ['reset', ':protocol is not a token, or the request is no CONNECT'],
  'host-duplicate': ['reset', 'more than one Host'],
  'host-mismatch': ['reset', 'Host differs from :authority'],
  'content-length-duplicate': ['reset', 'more than one Content-Length'],
  'content-length-invalid': ['reset', 'Content-Length is not one plain decimal number'],
  'connect-length': ['reset', 'CONNECT with a Content-Length'],
  'body-length': ['reset', 'the body is longer or shorter than Content-Length says'],
  'body-unexpected': ['reset', 'a body where the request or the status allows none'],
  'status-code': ['reset', 'the status is not three digits from 100 to 999, or 101, which HTTP/2 does not know'],
  'interim-end': ['reset', 'an interim response ends the stream'],
  'interim-count': ['reset', 'too many interim responses'],
  'trailers-open': ['reset', 'trailers do not end the stream'],
  'trailer-forbidden': ['reset', 'a trailer would change framing or routing'],
  'response-missing': ['reset', 'a body or an end without a response'],
};
