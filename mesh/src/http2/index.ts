/** HTTP/2 requests and responses, on the framer of mesh/hbone. */
export { Http2Code } from '../hbone/frame-codec.ts';
export { CarrierLink, TunnelLink } from './carrier-link.ts';
export { Http2Client } from './client.ts';
export type { ClientExchange } from './client-exchange.ts';
export type { ClientOptions, Http2Environment, Receiver, ResponseReceiver, ServerOptions } from './contract.ts';
export { FAULTS, type FaultAnswer, type FaultCode } from './errors.ts';
export { fieldBlockOf } from './field-text.ts';
export { Http2RequestHead, Http2ResponseHead, KeptFields } from './head.ts';
export { copyFields, copyHead, keepFields } from './head-copy.ts';
export { type EncodeProblem, HeadEncoder, type RequestTarget } from './head-encoder.ts';
export { Http2Error, type Http2ErrorCode } from './http2-error.ts';
export { DEFAULT_LIMITS, type Http2Limits } from './limits.ts';
export { Http2Server } from './server.ts';
export type { ServerExchange } from './server-exchange.ts';
export { type FailureTranslation, grpcStatusOf, translateFailure } from './translate-failure.ts';
export {
  type AnsweredRequest,
  endsWithHead,
  markEndingFields,
  markForbiddenTrailers,
  type NextServer,
  passesTrailers,
  type RequestTranslation,
  type ResponseTranslation,
  translateRequest,
  translateResponse,
  type Version,
} from './translate-message.ts';
export { beginRequest1, beginRequest2, beginResponse1, beginResponse2, frame } from './translate-write.ts';
