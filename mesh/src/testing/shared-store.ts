import type { MeshView, MeshViewStep, MeshViewUpdate } from '../model/mesh-view.ts';
import { SharedViewReader } from '../view/shared-view-reader.ts';
import { SharedViewWriter } from '../view/shared-view-writer.ts';

/** Writer and reader of a shared view in one thread: whatever is applied is in force, and acknowledged, at once. */
export function createSharedStore(): {
  readonly view: MeshView;
  readonly apply: (update: MeshViewUpdate) => MeshViewStep;
} {
  const writer = new SharedViewWriter(1);
  const view = new SharedViewReader();
  return {
    view,
    apply(update) {
      const step = view.adopt(writer.apply(update));
      writer.acknowledge(step.epoch);
      return step;
    },
  };
}
