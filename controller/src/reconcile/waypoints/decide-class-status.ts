import { jsonAt, jsonText } from '../../json.ts';
import type { UndatedCondition } from '../../status/decide-stored-conditions.ts';

/** What the GatewayClass of waypoints asks for, as the API server has it. */
export type ClassDecision =
  /** Somebody else runs it, and its Gateways. */
  | { readonly kind: 'foreign' }
  /** There is none: its Gateways are known by its name all the same. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'ours'; readonly conditions: readonly UndatedCondition[] };

/** @param object Null when it does not exist. */
export function decideClassStatus(object: unknown, controllerName: string): ClassDecision {
  if (object === null) return { kind: 'absent' };
  if (jsonText(object, 'spec', 'controllerName') !== controllerName) return { kind: 'foreign' };
  const ref = jsonAt(object, 'spec', 'parametersRef');
  const accepted: UndatedCondition =
    ref === undefined || ref === null
      ? { type: 'Accepted', status: 'True', reason: 'Accepted', message: 'its Gateways become waypoints' }
      : {
          ...{ type: 'Accepted', status: 'False', reason: 'InvalidParameters' },
          message: 'spec.parametersRef: parameters are those of each Gateway (spec.infrastructure.parametersRef)',
        };
  return { kind: 'ours', conditions: [accepted] };
}
