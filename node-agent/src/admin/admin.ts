import {
  type AdminSection,
  get,
  jsonResponse,
  loggingSections,
  quitSection,
  recordCpuProfile,
  textResponse,
  writeSnapshot,
} from '@ambit/mesh/runtime';
import { workloadRows } from '../accounting/workload-rows.ts';
import type { AgentParts, Source } from '../app.ts';
import type { PodSupervisor } from '../pods/pod-supervisor.ts';
import { createConfigDump } from './config-dump.ts';
import { heapSection } from './heap-section.ts';
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
  const { config, clock, logger, workers, requestStop } = options;
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
    get('/workloads', 'what each pod used: connections, bytes, CPU time, memory, as JSON', async () =>
      jsonResponse(workloadRows(await workers.callAll('workloads', {}))),
    ),
    profileSection({
      workers: workers.count,
      now: () => clock.now(),
      record: (worker, durationMs) =>
        worker === null
          ? recordCpuProfile(durationMs, (ms) => clock.sleep(ms))
          : workers.callOne(worker, 'cpu-profile', { durationMs }),
    }),
    heapSection({
      directory: config.heapSnapshotDirectory,
      workers: workers.count,
      write: (worker) => writeHeapSnapshot(options, worker),
    }),
    ...loggingSections(logger, (filter) => workers.callAll('set-log-filter', { filter })),
    quitSection(requestStop),
  ];
}

async function writeHeapSnapshot(
  { config, clock, logger, workers }: AdminOptions,
  worker: number | null,
): Promise<string> {
  const directory = config.heapSnapshotDirectory;
  const path =
    worker === null
      ? writeSnapshot(directory, 'main', clock.now())
      : await workers.callOne(worker, 'heap-snapshot', { directory });
  logger.warn('a heap snapshot was written: it holds private keys', { path });
  return path;
}
