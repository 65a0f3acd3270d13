import { NETWORK_LABEL, type Namespace, type Node } from '@ambit/mesh/kinds';
import type { MeshSettings } from './mesh-settings.ts';

/** The node's label, else the namespace's, else the mesh's default. */
export function networkOf(node: Node | undefined, namespace: Namespace | undefined, settings: MeshSettings): string {
  return node?.meta.labels.get(NETWORK_LABEL) ?? namespace?.meta.labels.get(NETWORK_LABEL) ?? settings.defaultNetwork;
}

/** The networks in which something of `namespace` is called by its addresses, its own first: callers are in any of `named`. */
export function callersNetworks(
  namespace: Namespace | undefined,
  named: readonly string[],
  settings: MeshSettings,
): readonly string[] {
  const own = networkOf(undefined, namespace, settings);
  return named.length === 0 ? [own] : [...new Set([own, settings.defaultNetwork, ...named])];
}
