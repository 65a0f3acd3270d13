/** HTTP/1.1 messages: bytes to heads and pieces of bodies, and back. No sockets, no time. */
export { BAD_GATEWAY, FAULTS, type FaultCode, type FaultPlace, type FaultStatus, type Http1Fault } from './errors.ts';
export type { FieldBlock } from './field-block.ts';
export type { Framing, MessageHead, RequestHead, ResponseHead, TargetForm } from './head.ts';
export { DEFAULT_LIMITS, type Http1Limits } from './limits.ts';
export type { FinishStep, ReadStep } from './message-reader.ts';
export { RequestReader } from './request-reader.ts';
export { type RequestFacts, ResponseReader } from './response-reader.ts';
