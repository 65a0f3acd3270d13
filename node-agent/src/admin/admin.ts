import {
  type AdminSection,
  get,
  jsonResponse,
  loggingSections,
  quitSection,
  recordCpuProfile,
  textResponse,
} from '@ambit/mesh/runtime';
import type { AgentParts, Source } from '../app.ts';
import type { PodSupervisor } from '../pods/pod-supervisor.ts';
import { createConfigDump } from './config-dump.ts';
import { profileSection } from './profile-section.ts';
import { CONNECTIONS_USAGE, readConnectionQuery } from './connection-query.ts';

export interface AdminOptions extends AgentParts {
  readonly supervisor: PodSupervisor;
  readonly source: Source;
  readonly version: string;
  readonly requestStop: () => void;
}

/** The sections of the admin interface. They show no keys and no tokens. */
export function openAdmin(options: AdminOptions): readonly AdminSection[] {
  const { clock, logger, workers, requestStop } = options;
  return [
    get('/config_dump', 'everything this agent works with, as JSON', async () =>
      jsonResponse(await createConfigDump(options)),
    ),
    get('/connections', `live connections, as JSON: ${CONNECTIONS_USAGE}`, async ({ query }) => {
      const asked = readConnectionQuery(query);
      if (asked.kind === 'bad') return textResponse(400, `${asked.error}\n`);
      const { filter, limit } = asked;
      return jsonResponse((await workers.callAll('connections', { filter, limit })).flat().slice(0, limit));
    }),
    profileSection({
      workers: workers.count,
      now: () => clock.now(),
      record: (worker, durationMs) =>
        worker === null
          ? recordCpuProfile(durationMs, (ms) => clock.sleep(ms))
          : workers.callOne(worker, 'cpu-profile', { durationMs }),
    }),
    ...loggingSections(logger, (filter) => workers.callAll('set-log-filter', { filter })),
    quitSection(requestStop),
  ];
}
