import type { Node } from '@ambit/mesh/kinds';
import type { MeshRanges } from '@ambit/mesh/model';
import type { MeshSettings } from './mesh-settings.ts';
import { networkOf } from './network-of.ts';

/** The addresses that a node gives to its pods; null when the API server does not say. */
export function rangesFromNode(node: Node, settings: MeshSettings): MeshRanges | null {
  const { meta, podCidrs } = node;
  if (podCidrs.length === 0) return null;
  return { name: `Node/${meta.name}`, network: networkOf(node, undefined, settings), blocks: podCidrs };
}
