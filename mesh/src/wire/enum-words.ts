import type { AccessPolicy } from '../model/access-policy.ts';
import type { AppProtocol, BalanceAlgorithm, BalanceScope, LoadBalancing, Service } from '../model/service.ts';
import type { Workload } from '../model/workload.ts';
import * as balancer from './gen/ambit/workload/v1/load-balancer_pb.ts';
import * as security from './gen/istio/security/authorization_pb.ts';
import * as workload from './gen/istio/workload/workload_pb.ts';

/** An enum of the wire: its numbers by the model's words, and back. A number without a word is refused. */
export interface EnumWords<Word extends string, Value extends number> {
  readonly numbers: Readonly<Record<Word, Value>>;
  readonly words: ReadonlyMap<number, Word>;
}

/** Numbers without a word are refused. */
export function enumWords<Word extends string, Value extends number>(
  numbers: Readonly<Record<Word, Value>>,
): EnumWords<Word, Value> {
  const words = new Map<number, Word>();
  for (const word in numbers) words.set(numbers[word], word);
  return { numbers, words };
}

/** Istio's legacy mTLS has no word: peers agreed to refuse it. */
export const TUNNEL_PROTOCOL: EnumWords<Workload['tunnelProtocol'], workload.TunnelProtocol> = enumWords({
  none: workload.TunnelProtocol.NONE,
  hbone: workload.TunnelProtocol.HBONE,
});

export const WORKLOAD_TYPE: EnumWords<Workload['workloadType'], workload.WorkloadType> = enumWords({
  deployment: workload.WorkloadType.DEPLOYMENT,
  cronjob: workload.WorkloadType.CRONJOB,
  pod: workload.WorkloadType.POD,
  job: workload.WorkloadType.JOB,
});

export const WORKLOAD_STATUS: EnumWords<Workload['status'], workload.WorkloadStatus> = enumWords({
  healthy: workload.WorkloadStatus.HEALTHY,
  unhealthy: workload.WorkloadStatus.UNHEALTHY,
});

export const NETWORK_MODE: EnumWords<Workload['networkMode'], workload.NetworkMode> = enumWords({
  standard: workload.NetworkMode.STANDARD,
  'host-network': workload.NetworkMode.HOST_NETWORK,
});

export const APPLICATION_TUNNEL: EnumWords<
  NonNullable<Workload['applicationTunnel']>['protocol'],
  workload.ApplicationTunnel_Protocol
> = enumWords({
  none: workload.ApplicationTunnel_Protocol.NONE,
  proxy: workload.ApplicationTunnel_Protocol.PROXY,
});

export const APP_PROTOCOL: EnumWords<AppProtocol, workload.AppProtocol> = enumWords({
  unknown: workload.AppProtocol.UNKNOWN,
  http1: workload.AppProtocol.HTTP11,
  http2: workload.AppProtocol.HTTP2,
  grpc: workload.AppProtocol.GRPC,
  tcp: workload.AppProtocol.TCP,
  tls: workload.AppProtocol.TLS,
});

export const IP_FAMILIES: EnumWords<Service['ipFamilies'], workload.IPFamilies> = enumWords({
  automatic: workload.IPFamilies.AUTOMATIC,
  'ipv4-only': workload.IPFamilies.IPV4_ONLY,
  'ipv6-only': workload.IPFamilies.IPV6_ONLY,
  dual: workload.IPFamilies.DUAL,
});

export const VISIBILITY: EnumWords<Service['visibility'], workload.Service_Visibility> = enumWords({
  public: workload.Service_Visibility.PUBLIC,
  namespace: workload.Service_Visibility.NAMESPACE,
});

export const BALANCE_MODE: EnumWords<LoadBalancing['mode'], workload.LoadBalancing_Mode> = enumWords({
  unspecified: workload.LoadBalancing_Mode.UNSPECIFIED_MODE,
  strict: workload.LoadBalancing_Mode.STRICT,
  failover: workload.LoadBalancing_Mode.FAILOVER,
  passthrough: workload.LoadBalancing_Mode.PASSTHROUGH,
});

/** "Unspecified" has no word: nobody said. */
export const BALANCE_ALGORITHM: EnumWords<BalanceAlgorithm, balancer.LoadBalancerAlgorithm> = enumWords({
  'least-request': balancer.LoadBalancerAlgorithm.LEAST_REQUEST,
  'round-robin': balancer.LoadBalancerAlgorithm.ROUND_ROBIN,
  random: balancer.LoadBalancerAlgorithm.RANDOM,
});

/** "Unspecified" has no word: it says nothing in a list of preferences. */
export const BALANCE_SCOPE: EnumWords<BalanceScope, workload.LoadBalancing_Scope> = enumWords({
  region: workload.LoadBalancing_Scope.REGION,
  zone: workload.LoadBalancing_Scope.ZONE,
  subzone: workload.LoadBalancing_Scope.SUBZONE,
  node: workload.LoadBalancing_Scope.NODE,
  cluster: workload.LoadBalancing_Scope.CLUSTER,
  network: workload.LoadBalancing_Scope.NETWORK,
});

export const HEALTH_POLICY: EnumWords<LoadBalancing['healthPolicy'], workload.LoadBalancing_HealthPolicy> = enumWords({
  'only-healthy': workload.LoadBalancing_HealthPolicy.ONLY_HEALTHY,
  'allow-all': workload.LoadBalancing_HealthPolicy.ALLOW_ALL,
});

export const POLICY_SCOPE: EnumWords<AccessPolicy['scope'], security.Scope> = enumWords({
  mesh: security.Scope.GLOBAL,
  namespace: security.Scope.NAMESPACE,
  workload: security.Scope.WORKLOAD_SELECTOR,
});

export const POLICY_ACTION: EnumWords<AccessPolicy['action'], security.Action> = enumWords({
  allow: security.Action.ALLOW,
  deny: security.Action.DENY,
});
