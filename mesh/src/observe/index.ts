/** Reading along what applications say to each other: requests of HTTP/1 and HTTP/2, without touching a byte. */
export { ConnectionObserver } from './connection-observer.ts';
export { type ExchangeSink, NO_GRPC_STATUS, NO_STATUS, STOP_REASONS, type StopReason } from './contract.ts';
