/** HTTP/1.1 messages: bytes to heads and pieces of bodies, and back. No sockets, no time. */
export { CHUNK_END, CHUNK_OVERHEAD_MAX_BYTES, LAST_CHUNK, writeChunk, writeChunkHead } from './chunk-writer.ts';
export { CONTINUE_RESPONSE, decideExpect, type ExpectDecision, passesInterim } from './decide-expect.ts';
export { decideRequestFraming, decideResponseFraming, type OutgoingFraming } from './decide-framing.ts';
export {
  type ClientExchange,
  connectionOption,
  decideClientPersistence,
  decideServerPersistence,
  type Persistence,
  type ServerExchange,
} from './decide-persistence.ts';
export { BAD_GATEWAY, FAULTS, type FaultCode, type FaultPlace, type FaultStatus, type Http1Fault } from './errors.ts';
export type { FieldBlock } from './field-block.ts';
export type { Framing, MessageHead, RequestHead, ResponseHead, TargetForm } from './head.ts';
export { type EncodedFields, encodeFields, HeadWriter, type WriteProblem } from './head-writer.ts';
export { markHopByHop } from './hop-by-hop.ts';
export { DEFAULT_LIMITS, type Http1Limits } from './limits.ts';
export type { FinishStep, ReadStep } from './message-reader.ts';
export { RequestReader } from './request-reader.ts';
export { type RequestFacts, ResponseReader } from './response-reader.ts';
