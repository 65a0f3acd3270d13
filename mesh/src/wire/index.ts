export * from './authority.ts';
export * from './discovery-messages.ts';
export * from './errors.ts';
export * from './hbone-headers.ts';
export * from './limits.ts';
export * from './model-to-push.ts';
export * from './pod-message.ts';
export * from './proxy-protocol.ts';
export * from './push-json.ts';
export * from './push-resource.ts';
export * from './push-to-model.ts';
export * from './trace-context.ts';
// Generated message types, for the layers that speak gRPC; everything else uses the codecs of this folder.
export * as nodeProto from './gen/ambit/node/v1/node_pb.ts';
export * as certificateProto from './gen/istio/v1/auth/certificate_pb.ts';
export * as discoveryProto from './gen/envoy/service/discovery/v3/discovery_pb.ts';
export * as securityProto from './gen/istio/security/authorization_pb.ts';
export * as workloadProto from './gen/istio/workload/workload_pb.ts';
export * as zdsProto from './gen/istio/workload/zds/zds_pb.ts';
