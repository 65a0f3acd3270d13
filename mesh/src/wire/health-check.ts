import { create, toBinary } from '@bufbuild/protobuf';
import { decodeMessage } from './decode-message.ts';
import { readText } from './field-reader.ts';
import {
  HealthCheckRequestSchema,
  type HealthCheckResponse_ServingStatus,
  HealthCheckResponseSchema,
} from './gen/grpc/health/v1/health_pb.ts';

/** What a server says of itself; 1 is SERVING. */
export type HealthStatus = HealthCheckResponse_ServingStatus;

/** The method of a gRPC health check. */
export const HEALTH_CHECK_PATH = '/grpc.health.v1.Health/Check';

export function encodeHealthRequest(service: string): Uint8Array {
  return toBinary(HealthCheckRequestSchema, create(HealthCheckRequestSchema, { service }));
}

/** The service that is asked about. @throws WireError. */
export function decodeHealthRequest(bytes: Uint8Array): string {
  return readText('HealthCheckRequest.service', decodeMessage(HealthCheckRequestSchema, bytes).service);
}

export function encodeHealthResponse(status: HealthStatus): Uint8Array {
  return toBinary(HealthCheckResponseSchema, create(HealthCheckResponseSchema, { status }));
}

/** The status as it came, known or not. @throws WireError. */
export function decodeHealthResponse(bytes: Uint8Array): HealthStatus {
  return decodeMessage(HealthCheckResponseSchema, bytes).status;
}
