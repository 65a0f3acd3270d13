import { Demand } from '@ambit/mesh/push';
import type { AgentParts } from '../app.ts';
import { isKnownName } from './known-name.ts';

/** What the data workers want, asked of the controller; every answer goes to all of them, after what it is about. */
export function openDemand({ clock, workers, mesh }: Pick<AgentParts, 'clock' | 'workers' | 'mesh'>): Demand {
  const demand = new Demand({
    clock,
    isThere: (name) => isKnownName(mesh.view, name),
    onAnswers: (answers) => {
      // A worker that is lost ends the process, which says so.
      workers.callAll('answer-names', { answers }).catch(() => undefined);
    },
  });
  workers.onEvent(({ names }) => demand.want(names));
  return demand;
}
