import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { DescEnum, DescMessage, DescService } from '@bufbuild/protobuf';
import { DELTA_DISCOVERY_PATH } from './discovery-messages.ts';
import { file_ambit_mesh_v1_ranges as rangesFile } from './gen/ambit/mesh/v1/ranges_pb.ts';
import { file_ambit_mesh_v1_refusal as refusalFile } from './gen/ambit/mesh/v1/refusal_pb.ts';
import { file_ambit_node_v1_node as nodeFile } from './gen/ambit/node/v1/node_pb.ts';
import { file_ambit_waypoint_v1_backend as backendFile } from './gen/ambit/waypoint/v1/backend_pb.ts';
import { file_ambit_waypoint_v1_routes as routesFile } from './gen/ambit/waypoint/v1/routes_pb.ts';
import { file_ambit_workload_v1_callers as callersFile } from './gen/ambit/workload/v1/callers_pb.ts';
import { file_ambit_workload_v1_port_names as portNamesFile } from './gen/ambit/workload/v1/port-names_pb.ts';
import { file_ambit_workload_v1_load_balancer as balancerFile } from './gen/ambit/workload/v1/load-balancer_pb.ts';
import { file_ambit_workload_v1_egress as egressFile } from './gen/ambit/workload/v1/egress_pb.ts';
import { file_ambit_workload_v1_probes as probesFile } from './gen/ambit/workload/v1/probes_pb.ts';
import { file_envoy_config_core_v3_base as coreFile } from './gen/envoy/config/core/v3/base_pb.ts';
import {
  AggregatedDiscoveryService,
  file_envoy_service_discovery_v3_discovery as discoveryFile,
} from './gen/envoy/service/discovery/v3/discovery_pb.ts';
import { file_google_rpc_status as statusFile } from './gen/google/rpc/status_pb.ts';
import { file_grpc_health_v1_health as healthFile } from './gen/grpc/health/v1/health_pb.ts';
import { file_istio_security_authorization as securityFile } from './gen/istio/security/authorization_pb.ts';
import {
  file_istio_v1_auth_certificate as certificateFile,
  IstioCertificateService,
} from './gen/istio/v1/auth/certificate_pb.ts';
import { file_istio_workload_workload as workloadFile } from './gen/istio/workload/workload_pb.ts';
import { file_istio_workload_zds_zds as zdsFile } from './gen/istio/workload/zds/zds_pb.ts';

// What peers put on the wire (protocol.md 2.5, 3): full name to its fields and their numbers.
const MESSAGES: Readonly<Record<string, string>> = {
  'istio.workload.Address': 'workload=1 service=2',
  'istio.workload.Service':
    'name=1 namespace=2 hostname=3 addresses=4 ports=5 subject_alt_names=6 waypoint=7 load_balancing=8 ip_families=9 extensions=10 canonical=11 ingress_use_waypoint=12 weighted_waypoints=13 visibility=14',
  'istio.workload.LoadBalancing': 'routing_preference=1 mode=2 health_policy=3',
  'istio.workload.Workload':
    'name=1 namespace=2 addresses=3 network=4 tunnel_protocol=5 trust_domain=6 service_account=7 waypoint=8 node=9 canonical_name=10 canonical_revision=11 workload_type=12 workload_name=13 native_tunnel=14 authorization_policies=16 status=17 cluster_id=18 network_gateway=19 uid=20 hostname=21 services=22 application_tunnel=23 locality=24 network_mode=25 extensions=26 capacity=27',
  'istio.workload.Locality': 'region=1 zone=2 subzone=3',
  'istio.workload.PortList': 'ports=1',
  'istio.workload.Port': 'service_port=1 target_port=2 app_protocol=3',
  'istio.workload.ApplicationTunnel': 'protocol=1 port=2',
  'istio.workload.GatewayAddress': 'hostname=1 address=2 hbone_mtls_port=3',
  'istio.workload.WeightedWaypoint': 'destination=1 weight=2',
  'istio.workload.NetworkAddress': 'network=1 address=2 length=3',
  'istio.workload.NamespacedHostname': 'namespace=1 hostname=2',
  'istio.workload.Extension': 'name=1 config=2',
  'istio.security.Authorization': 'name=1 namespace=2 scope=3 action=4 rules=5 dry_run=6 extensions=7',
  'istio.security.Rule': 'clauses=1',
  'istio.security.Clause': 'matches=2',
  'istio.security.Match':
    'namespaces=1 not_namespaces=2 principals=3 not_principals=4 source_ips=5 not_source_ips=6 destination_ips=7 not_destination_ips=8 destination_ports=9 not_destination_ports=10 service_accounts=11 not_service_accounts=12 extensions=13',
  'istio.security.Address': 'address=1 length=2',
  'istio.security.ServiceAccountMatch': 'namespace=1 serviceAccount=2',
  'istio.security.StringMatch': 'exact=1 prefix=2 suffix=3 presence=4',
  'istio.workload.zds.ZdsHello': 'version=1 slot=100',
  'istio.workload.zds.WorkloadInfo': 'name=1 namespace=2 service_account=3 node_addresses=100',
  'istio.workload.zds.AddWorkload': 'uid=1 workload_info=2',
  'istio.workload.zds.KeepWorkload': 'uid=1',
  'istio.workload.zds.DelWorkload': 'uid=2',
  'istio.workload.zds.SnapshotSent': '',
  'istio.workload.zds.Ack': 'error=1',
  'istio.workload.zds.WorkloadRequest': 'add=1 del=2 snapshot_sent=3 keep=5',
  'istio.workload.zds.WorkloadResponse': 'ack=1',
  'istio.v1.auth.IstioCertificateRequest': 'csr=1 validity_duration=3 metadata=4',
  'istio.v1.auth.IstioCertificateResponse': 'cert_chain=1',
  'envoy.service.discovery.v3.DeltaDiscoveryRequest':
    'node=1 type_url=2 resource_names_subscribe=3 resource_names_unsubscribe=4 initial_resource_versions=5 response_nonce=6 error_detail=7',
  'envoy.service.discovery.v3.DeltaDiscoveryResponse':
    'system_version_info=1 resources=2 type_url=4 nonce=5 removed_resources=6 control_plane=7',
  'envoy.service.discovery.v3.Resource': 'version=1 resource=2 name=3 aliases=4 ttl=6',
  'envoy.config.core.v3.Node': 'id=1 cluster=2 metadata=3 locality=4 user_agent_name=6 user_agent_version=7',
  'envoy.config.core.v3.Locality': 'region=1 zone=2 sub_zone=3',
  'envoy.config.core.v3.ControlPlane': 'identifier=1',
  'google.rpc.Status': 'code=1 message=2 details=3',
  'ambit.node.v1.JoinRequest': 'token=1 csr=2',
  'ambit.node.v1.JoinResponse': 'cert_chain=1',
  'ambit.node.v1.RenewRequest': 'csr=1',
  'ambit.node.v1.RenewResponse': 'cert_chain=1',
  'ambit.mesh.v1.AddressRanges': 'name=1 network=2 blocks=3',
  'ambit.mesh.v1.AddressBlock': 'address=1 prefix_length=2',
  'ambit.mesh.v1.RefusedResources': 'names=1',
  'ambit.workload.v1.CallerWaypoint': 'namespace=1 waypoint=2',
  'ambit.workload.v1.CallerWaypoints': 'waypoints=1',
  'ambit.workload.v1.LoadBalancer': 'algorithm=1',
  'ambit.workload.v1.PortName': 'name=1 service_port=2',
  'ambit.workload.v1.PortNames': 'names=1',
  'ambit.workload.v1.Egress': 'allowed=1',
  'ambit.workload.v1.AllowedBlock': 'address=1 prefix_length=2 ports=3',
  'ambit.workload.v1.Probes': 'node_addresses=1 probes=2',
  'ambit.workload.v1.Probe': 'port=1 timeout_seconds=2 http=3 grpc=4 tcp=5',
  'ambit.workload.v1.HttpGet': 'target=1 secure=2 headers=3',
  'ambit.workload.v1.Header': 'name=1 value=2',
  'ambit.workload.v1.Grpc': 'service=1',
  'ambit.workload.v1.Tcp': '',
  'ambit.waypoint.v1.Backend': 'service=1 secured=2',
  'ambit.waypoint.v1.BackendTls': 'server_name=1 pem=2 system=3 alt_names=4',
  'ambit.waypoint.v1.CertificateName': 'hostname=1 uri=2',
  'ambit.waypoint.v1.ConsumerRoutes': 'namespace=1 group=2',
  'ambit.waypoint.v1.Cors':
    'allow_origins=1 allow_credentials=2 allow_methods=3 allow_headers=4 expose_headers=5 max_age_seconds=6',
  'ambit.waypoint.v1.CorsList': 'values=1',
  'ambit.waypoint.v1.Fault': 'reason=1 message=2',
  'ambit.waypoint.v1.Filters': 'request_headers=1 response_headers=2 redirect=3 rewrite=4 mirrors=5 cors=6',
  'ambit.waypoint.v1.GrpcMatch': 'service=1 method=2 headers=3',
  'ambit.waypoint.v1.GrpcRoute': 'origin=1 rules=2',
  'ambit.waypoint.v1.GrpcRoutes': 'routes=1',
  'ambit.waypoint.v1.GrpcRule': 'matches=1 action=2',
  'ambit.waypoint.v1.Header': 'name=1 value=2',
  'ambit.waypoint.v1.HeaderModifier': 'set=1 add=2 remove=3',
  'ambit.waypoint.v1.HttpMatch': 'exact_path=1 path_prefix=2 path_regex=3 headers=4 query_params=5 method=6',
  'ambit.waypoint.v1.HttpRoute': 'origin=1 rules=2',
  'ambit.waypoint.v1.HttpRoutes': 'routes=1',
  'ambit.waypoint.v1.HttpRule': 'matches=1 action=2',
  'ambit.waypoint.v1.Mirror': 'backend=1 numerator=2 denominator=3',
  'ambit.waypoint.v1.NamedMatch': 'name=1 value=2',
  'ambit.waypoint.v1.PathModifier': 'full=1 prefix=2',
  'ambit.waypoint.v1.PortRoutes': 'port=1 producer=2 consumers=3',
  'ambit.waypoint.v1.Redirect': 'scheme=1 hostname=2 path=3 port=4 status_code=5',
  'ambit.waypoint.v1.Retry': 'codes=1 attempts=2 backoff_ms=3',
  'ambit.waypoint.v1.Rewrite': 'hostname=1 path=2',
  'ambit.waypoint.v1.RouteBackend': 'service=1 invalid=2',
  'ambit.waypoint.v1.RouteGroup': 'http=1 grpc=2 stream=3',
  'ambit.waypoint.v1.RouteOrigin': 'namespace=1 name=2 created_ms=3',
  'ambit.waypoint.v1.RuleAction':
    'name=1 filters=2 backends=3 request_timeout_ms=4 backend_request_timeout_ms=5 retry=6 session=7 fault=8',
  'ambit.waypoint.v1.SecuredPorts': 'ports=1 tls=2 invalid=3',
  'ambit.waypoint.v1.ServiceBackend': 'service=1 port=2 version=3',
  'ambit.waypoint.v1.ServiceRoutes': 'service=1 ports=2',
  'ambit.waypoint.v1.Session': 'kind=1 name=2 absolute_timeout_ms=3 permanent=4',
  'ambit.waypoint.v1.StreamRoute': 'route=1 server_names=2 backends=3',
  'ambit.waypoint.v1.StreamRoutes': 'routes=1',
  'ambit.waypoint.v1.SystemRoots': '',
  'ambit.waypoint.v1.TextMatch': 'exact=1 regex=2',
  'ambit.waypoint.v1.WeightedBackend': 'backend=1 weight=2 filters=3',
  'grpc.health.v1.HealthCheckRequest': 'service=1',
  'grpc.health.v1.HealthCheckResponse': 'status=1',
};

const ENUMS: Readonly<Record<string, string>> = {
  'istio.workload.IPFamilies': 'AUTOMATIC=0 IPV4_ONLY=1 IPV6_ONLY=2 DUAL=3',
  'istio.workload.NetworkMode': 'STANDARD=0 HOST_NETWORK=1',
  'istio.workload.WorkloadStatus': 'HEALTHY=0 UNHEALTHY=1',
  'istio.workload.WorkloadType': 'DEPLOYMENT=0 CRONJOB=1 POD=2 JOB=3',
  'istio.workload.AppProtocol': 'UNKNOWN=0 HTTP11=1 HTTP2=2 GRPC=3 TCP=4 TLS=5',
  'istio.workload.TunnelProtocol': 'NONE=0 HBONE=1 LEGACY_ISTIO_MTLS=2',
  'istio.workload.Service.Visibility': 'PUBLIC=0 NAMESPACE=1',
  'istio.workload.LoadBalancing.Scope': 'UNSPECIFIED_SCOPE=0 REGION=1 ZONE=2 SUBZONE=3 NODE=4 CLUSTER=5 NETWORK=6',
  'istio.workload.LoadBalancing.Mode': 'UNSPECIFIED_MODE=0 STRICT=1 FAILOVER=2 PASSTHROUGH=3',
  'istio.workload.LoadBalancing.HealthPolicy': 'ONLY_HEALTHY=0 ALLOW_ALL=1',
  'istio.workload.ApplicationTunnel.Protocol': 'NONE=0 PROXY=1',
  'istio.security.Scope': 'GLOBAL=0 NAMESPACE=1 WORKLOAD_SELECTOR=2',
  'istio.security.Action': 'ALLOW=0 DENY=1',
  'istio.workload.zds.Version': 'NOT_USED=0 V1=1',
  'ambit.workload.v1.LoadBalancerAlgorithm':
    'LOAD_BALANCER_ALGORITHM_UNSPECIFIED=0 LEAST_REQUEST=1 ROUND_ROBIN=2 RANDOM=3',
  'ambit.waypoint.v1.BackendFault':
    'BACKEND_FAULT_UNSPECIFIED=0 INVALID_KIND=1 BACKEND_NOT_FOUND=2 REF_NOT_PERMITTED=3 UNSUPPORTED_PROTOCOL=4',
  'ambit.waypoint.v1.FaultReason': 'FAULT_REASON_UNSPECIFIED=0 UNSUPPORTED_VALUE=1 INCOMPATIBLE_FILTERS=2',
  'ambit.waypoint.v1.SecurityFault': 'SECURITY_FAULT_UNSPECIFIED=0 NO_VALID_CA_CERTIFICATE=1 INVALID=2',
  'ambit.waypoint.v1.SessionKind': 'SESSION_KIND_UNSPECIFIED=0 COOKIE=1 HEADER=2',
  'grpc.health.v1.HealthCheckResponse.ServingStatus': 'UNKNOWN=0 SERVING=1 NOT_SERVING=2 SERVICE_UNKNOWN=3',
};

const FILES = [
  workloadFile,
  securityFile,
  zdsFile,
  certificateFile,
  discoveryFile,
  coreFile,
  statusFile,
  nodeFile,
  rangesFile,
  refusalFile,
  balancerFile,
  callersFile,
  portNamesFile,
  egressFile,
  probesFile,
  backendFile,
  routesFile,
  healthFile,
];

function allMessages(messages: readonly DescMessage[]): DescMessage[] {
  return messages.flatMap((message) => [message, ...allMessages(message.nestedMessages)]);
}
const messages = FILES.flatMap((file) => allMessages(file.messages));
const enums: DescEnum[] = [
  ...FILES.flatMap((file) => file.enums),
  ...messages.flatMap(({ nestedEnums }) => nestedEnums),
];

describe('generated code', () => {
  test('has the field numbers that peers use, and no message beside', () => {
    const actual = Object.fromEntries(
      messages.map(({ typeName, fields }) => {
        const inOrder = fields.toSorted((a, b) => a.number - b.number);
        return [typeName, inOrder.map(({ name, number }) => `${name}=${number}`).join(' ')];
      }),
    );
    assert.deepEqual(actual, MESSAGES);
  });

  test('has the enum numbers that peers use, and no enum beside', () => {
    const actual = Object.fromEntries(
      enums.map(({ typeName, values }) => [typeName, values.map(({ name, number }) => `${name}=${number}`).join(' ')]),
    );
    assert.deepEqual(actual, ENUMS);
  });

  test('names the methods that peers call', () => {
    const path = (service: DescService): string[] => service.methods.map(({ name }) => `/${service.typeName}/${name}`);
    assert.deepEqual(path(AggregatedDiscoveryService), [DELTA_DISCOVERY_PATH]);
    assert.deepEqual(path(IstioCertificateService), ['/istio.v1.auth.IstioCertificateService/CreateCertificate']);
  });
});
