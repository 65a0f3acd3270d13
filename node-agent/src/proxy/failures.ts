import type { HboneError, HboneErrorCode } from '@ambit/mesh/hbone';
import { isRevocation, PeerRefusedError, REVOKED_TEXT } from '@ambit/mesh/tls';
import type { AdmissionRefusal } from './inbound-admission.ts';
import type { OutboundRefusal } from './outbound-route.ts';
import type { ResponseFlag } from './traffic-table.ts';

/** Failures that arise in the proxy itself rather than in a decision or a tunnel. */
type LocalFailure =
  | 'no-svid'
  | 'svid-expired'
  | 'peer-expired'
  | 'peer-revoked'
  | 'no-original-destination'
  | 'destination-connect'
  | 'destination-timeout'
  | 'dial'
  | 'too-many-connections'
  | 'too-many-handshakes'
  | 'too-many-waiting'
  | 'policy-changed'
  | 'pod-removed'
  | 'drain-deadline'
  | 'buffer-limit'
  | 'copy'
  | 'probe-only'
  | 'probe-timeout'
  | 'too-many-probes'
  | 'network-policy';

/** Every reason a connection can fail for; a value of the metric label `reason` and stable in logs. */
export type FailureReason = OutboundRefusal | AdmissionRefusal | LocalFailure | `tunnel-${HboneErrorCode}`;

export interface Failure {
  /** What the access log says, a constant text. */
  readonly message: string;
  readonly flag: ResponseFlag;
  /** Answer to a tunnel request that fails before its 200. */
  readonly status: 400 | 401 | 503;
}

const entry = (message: string, flag: ResponseFlag = '-', status: 400 | 401 | 503 = 503): Failure => ({
  message,
  flag,
  status,
});

/** The one place that maps a reason to words, response flag and status (protocol.md 1.5, 4.2). */
export const FAILURES: Readonly<Record<FailureReason, Failure>> = {
  'illegal-port': entry('the port is one of the node agent itself'),
  'unknown-source': entry('the source workload is not known'),
  'unknown-destination': entry('the destination is inside the mesh but not known'),
  'not-answered': entry('the controller has not said in time who the destination is'),
  'egress-locked': entry('the destination is outside the mesh, and the egress of the workload is locked', 'DENY'),
  'no-healthy-endpoint': entry('the service has no healthy endpoint'),
  'no-service-port': entry('the service has no such port'),
  'no-address': entry('the destination workload has no address'),
  'name-not-resolved': entry('the name of the destination workload could not be resolved'),
  'no-network-gateway': entry('the destination is in another network to which no gateway is known'),
  'network-gateway-missing': entry('the gateway to the network of the destination is missing or not ready'),
  'no-remote-tunnel': entry('the destination is in another network and takes no tunnels'),
  'no-remote-identity': entry('the service does not say who serves it in the other network'),
  'waypoint-missing': entry('the waypoint of the destination is missing or not ready'),
  'bad-authority': entry('the tunnel request has no usable authority', '-', 400),
  'authority-mismatch': entry('the authority is not the destination of the connection', '-', 400),
  'unknown-workload': entry('the destination workload is not known'),
  'unknown-hostname': entry('no service or workload has this hostname'),
  'unresolvable-port': entry('the service port leads nowhere at this workload'),
  'hostname-without-address': entry('the service has no address that a PROXY header could name'),
  'deny-policy-matched': entry('a DENY policy matched', 'DENY', 401),
  'no-allow-policy-matched': entry('ALLOW policies exist, but none allowed', 'DENY', 401),
  'policy-not-received': entry('a policy that the destination names has not arrived', 'DENY', 401),
  'no-svid': entry('no certificate for the identity of the pod has arrived', 'IDENTITY_ERROR'),
  'svid-expired': entry('the certificate of the pod has expired and could not be renewed', 'IDENTITY_ERROR'),
  'peer-expired': entry('the certificate of the tunnel peer has expired since it connected', 'IDENTITY_ERROR', 401),
  'peer-revoked': entry(REVOKED_TEXT, 'CERT_REVOKED', 401),
  'no-original-destination': entry('the original destination of the connection could not be read'),
  'destination-connect': entry('the destination refused the connection', 'CONNECT'),
  'destination-timeout': entry('the destination did not answer in time', 'CONNECT'),
  dial: entry('no socket to the destination could be opened', 'CONNECT'),
  'too-many-connections': entry('the pod has too many connections'),
  'too-many-handshakes': entry('too many handshakes of this peer, or of all, are under way'),
  'too-many-waiting': entry('too many connections wait for workloads to become known'),
  'policy-changed': entry('connection closed due to policy change', 'DENY', 401),
  'pod-removed': entry('connection closed because the pod was removed'),
  'drain-deadline': entry('connection closed because the node agent shuts down'),
  'buffer-limit': entry('connection closed because too many bytes of the pod wait for slow readers'),
  copy: entry('the connection broke'),
  'probe-only': entry('policy lets the node only probe here, and this was no declared probe', 'DENY', 401),
  'probe-timeout': entry('policy lets the node only probe here, and no probe was asked for in time', 'DENY', 401),
  'too-many-probes': entry('too many probes of the pod are under way'),
  'network-policy': entry('connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008', 'NETWORK_POLICY'),
  'tunnel-connect': entry('the tunnel connection could not be opened', 'CONNECT'),
  'tunnel-timeout': entry('the tunnel peer did not answer in time', 'CONNECT'),
  'tunnel-tls': entry('the TLS handshake of the tunnel failed', 'TLS_FAILURE'),
  'tunnel-identity': entry('the tunnel peer has another identity than expected', 'IDENTITY_ERROR'),
  'tunnel-refused-status': entry('the tunnel peer refused the request', 'CONNECT'),
  'tunnel-reset': entry('the tunnel peer reset the stream'),
  'tunnel-goaway': entry('the tunnel peer is shutting down'),
  'tunnel-closed': entry('the tunnel connection closed'),
  'tunnel-protocol': entry('the tunnel peer violated HTTP/2', 'H2_HANDSHAKE_FAILURE'),
  'tunnel-flood': entry('the tunnel peer flooded the connection', 'H2_HANDSHAKE_FAILURE'),
  'tunnel-keepalive': entry('the tunnel peer stopped answering'),
  'tunnel-pool-full': entry('too many connections wait for one tunnel'),
  'tunnel-draining': entry('the tunnel is shutting down'),
  'tunnel-aborted': entry('the tunnel request was given up'),
  'tunnel-cut': entry('the tunnel was cut'),
  'tunnel-socket': entry('the plaintext side of the tunnel failed'),
};

/** The failure a tunnel error stands for. A connect that timed out and a peer that is revoked have causes worth naming. */
export function failureOfTunnel(error: HboneError): FailureReason {
  if (error.code === 'timeout' && error.data['phase'] === 'connect') return 'network-policy';
  if (isRevocation(error)) return 'peer-revoked';
  return `tunnel-${error.code}`;
}

/** Why the peer is not who it must be; undefined where the reason of the failure says it all. */
export function peerRefusalOf(error: HboneError): string | undefined {
  return error.cause instanceof PeerRefusedError && !isRevocation(error) ? error.cause.reason : undefined;
}
