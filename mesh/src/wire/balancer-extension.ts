import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { BalanceAlgorithm } from '../model/service.ts';
import { decodeMessage } from './decode-message.ts';
import { BALANCE_ALGORITHM } from './enum-words.ts';
import { LoadBalancerSchema } from './gen/ambit/workload/v1/load-balancer_pb.ts';
import type * as pb from './gen/istio/workload/workload_pb.ts';

// Goal: how a waypoint chooses among endpoints comes and goes with the service. The workload API's own `load_balancing` says which
// endpoints may be taken, as node agents can act upon that, and nothing of how one of them is chosen.

const EXTENSION_NAME = 'ambit.dev/load-balancer';
const TYPE_URL = `type.googleapis.com/${LoadBalancerSchema.typeName}`;

/** The extension that carries it; none where nobody said. */
export function encodeBalancer(algorithm: BalanceAlgorithm | undefined): MessageInitShape<typeof pb.ExtensionSchema>[] {
  if (algorithm === undefined) return [];
  const message = create(LoadBalancerSchema, { algorithm: BALANCE_ALGORITHM.numbers[algorithm] });
  return [{ name: EXTENSION_NAME, config: { typeUrl: TYPE_URL, value: toBinary(LoadBalancerSchema, message) } }];
}

/** What the extensions say of it; undefined when nothing, or something that a newer controller knows. @throws WireError. */
export function balancerToModel(extensions: readonly pb.Extension[]): BalanceAlgorithm | undefined {
  const config = extensions.find(({ name }) => name === EXTENSION_NAME)?.config;
  if (config === undefined || config.typeUrl !== TYPE_URL) return undefined;
  return BALANCE_ALGORITHM.words.get(decodeMessage(LoadBalancerSchema, config.value).algorithm);
}
