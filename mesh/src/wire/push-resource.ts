import type { AccessPolicy } from '../model/access-policy.ts';
import type { MeshRanges } from '../model/mesh-ranges.ts';
import type { Service } from '../model/service.ts';
import type { Workload } from '../model/workload.ts';

/** What one `istio.workload.Address` resource stands for. */
export type AddressResource =
  | { readonly kind: 'workload'; readonly workload: Workload }
  | { readonly kind: 'service'; readonly service: Service };

/** What one pushed resource of a type Ambit reads stands for. */
export type PushedObject =
  | AddressResource
  | { readonly kind: 'policy'; readonly policy: AccessPolicy }
  | { readonly kind: 'ranges'; readonly ranges: MeshRanges };

/** The name a resource of this value is pushed under: uid, `namespace/hostname` or `namespace/name`. */
export function resourceName(object: PushedObject): string {
  switch (object.kind) {
    case 'workload':
      return object.workload.uid;
    case 'service':
      return object.service.key;
    case 'policy':
      return object.policy.key;
    case 'ranges':
      return object.ranges.name;
  }
}
