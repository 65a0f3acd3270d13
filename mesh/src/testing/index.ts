export * from './span-collector.ts';
export * from './client-hello.ts';
export * from './grpc-failure.ts';
export * from './leak-check.ts';
export * from './manual-clock.ts';
export * from './memory-duplex.ts';
export * from './policy-builder.ts';
export * from './random.ts';
export * from './reference-page.ts';
export * from './route-builder.ts';
export * from './same-shape.ts';
export * from './service-builder.ts';
export { SERVICE_ROUTES } from './service-routes-example.ts';
export * from './test-ca.ts';
export * from './test-datagram.ts';
export * from './test-netns.ts';
export * from './until.ts';
export * from './workload-builder.ts';
export { brokenSpecs, GOOD_SPECS } from './kind-examples.ts';
export {
  dbSvid,
  dial,
  environment,
  identityOf,
  type Listener,
  listen,
  listenHbone,
  targetOf,
  webSvid,
} from './tunnel-world.ts';
export { anyRequests, mutated } from './http1-corpus.ts';
export { anyHttp2Request, spoiled } from './http2-corpus.ts';
export { blockOf, connectBlock, frameOf, Http2Peer, securePeer, uint32 } from './http2-peer.ts';
export * from './network-gateway.ts';
