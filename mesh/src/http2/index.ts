/** HTTP/2 for requests and responses, on the framer of mesh/hbone. */
export { FAULTS, type FaultAnswer, type FaultCode } from './errors.ts';
export { FieldDecoder } from './field-decoder.ts';
export { HeadEncoder, type EncodeProblem, type RequestTarget } from './head-encoder.ts';
export { Http2RequestHead, Http2ResponseHead } from './head.ts';
export { interpretRequest } from './interpret-request.ts';
export { interpretResponse } from './interpret-response.ts';
export { interpretTrailers } from './interpret-trailers.ts';
export { DEFAULT_LIMITS, type Http2Limits } from './limits.ts';
