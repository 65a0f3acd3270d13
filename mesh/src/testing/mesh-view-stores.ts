import { createMeshViewStore } from '../model/mesh-view-store.ts';
import type { MeshView, MeshViewStep, MeshViewUpdate } from '../model/mesh-view.ts';
import { createSharedStore } from './shared-store.ts';

/** What every kind of store promises. */
export interface Store {
  readonly view: MeshView;
  apply(update: MeshViewUpdate): MeshViewStep;
}

/** Every kind of store, by its name. */
export const STORES: readonly (readonly [kind: string, open: () => Store])[] = [
  ['of objects', createMeshViewStore],
  ['in shared memory', createSharedStore],
];
