import { NETWORK_LABEL, type Namespace, type Node } from '@ambit/mesh/kinds';
import type { MeshSettings } from './mesh-settings.ts';

/** The node's label, else the namespace's, else the mesh's default. */
export function networkOf(node: Node | undefined, namespace: Namespace | undefined, settings: MeshSettings): string {
  return node?.meta.labels.get(NETWORK_LABEL) ?? namespace?.meta.labels.get(NETWORK_LABEL) ?? settings.defaultNetwork;
}
