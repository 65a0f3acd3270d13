import type { MessageInitShape } from '@bufbuild/protobuf';
import type { BalanceAlgorithm } from '../model/service.ts';
import { BALANCE_ALGORITHM } from './enum-words.ts';
import { extension } from './extension.ts';
import { LoadBalancerSchema } from './gen/ambit/workload/v1/load-balancer_pb.ts';
import type * as pb from './gen/istio/workload/workload_pb.ts';

// Goal: how a waypoint chooses among endpoints comes and goes with the service. The workload API's own `load_balancing` says which
// endpoints may be taken, as node agents can act upon that, and nothing of how one of them is chosen.

const EXTENSION = extension('ambit.dev/load-balancer', LoadBalancerSchema);

/** The extension that carries it; none where nobody said. */
export function encodeBalancer(algorithm: BalanceAlgorithm | undefined): MessageInitShape<typeof pb.ExtensionSchema>[] {
  return algorithm === undefined ? [] : [EXTENSION.encode({ algorithm: BALANCE_ALGORITHM.numbers[algorithm] })];
}

/** What the extensions say of it; undefined when nothing, or something that a newer controller knows. @throws WireError. */
export function balancerToModel(extensions: readonly pb.Extension[]): BalanceAlgorithm | undefined {
  const message = EXTENSION.find(extensions);
  return message === undefined ? undefined : BALANCE_ALGORITHM.words.get(message.algorithm);
}
