import { type AdminSection, loggingSections, type RootLogger } from '@ambit/mesh/runtime';
import type { AgentParts, Source } from '../app.ts';
import type { PodSupervisor } from '../pods/pod-supervisor.ts';
import { createConfigDump } from './config-dump.ts';

export interface AdminOptions extends AgentParts {
  readonly supervisor: PodSupervisor;
  readonly source: Source;
  readonly version: string;
  readonly requestStop: () => void;
}

/** The sections of the admin interface. They show no keys and no tokens. */
export function openAdmin(options: AdminOptions): readonly AdminSection[] {
  const { requestStop } = options;
  return [
    {
      method: 'GET',
      path: '/config_dump',
      describe: 'everything this agent works with, as JSON',
      handle: async () => json(await createConfigDump(options)),
    },
    {
      method: 'GET',
      path: '/connections',
      describe: 'live connections, as JSON: ?limit=COUNT',
      handle: async ({ query }) => {
        const limit = Number(query.get('limit') ?? CONNECTIONS_SHOWN);
        if (!Number.isInteger(limit) || limit < 1)
          return { status: 400, contentType: 'text/plain', body: 'limit must be a positive number\n' };
        return json((await options.workers.callAll('connections', { limit })).flat().slice(0, limit));
      },
    },
    ...loggingSections(everywhere(options)),
    {
      method: 'POST',
      path: '/quitquitquit',
      describe: 'stop in order, as SIGTERM does',
      handle: () => {
        setImmediate(requestStop);
        return { status: 200, contentType: 'text/plain', body: 'stopping\n' };
      },
    },
  ];
}

const CONNECTIONS_SHOWN = 1000;

function json(value: unknown): { readonly status: number; readonly contentType: string; readonly body: string } {
  return { status: 200, contentType: 'application/json', body: `${JSON.stringify(value, null, 2)}\n` };
}

/** A logger whose filter is changed in the data workers as well. */
function everywhere({ logger, workers }: AdminOptions): RootLogger {
  const tell = (): void => void workers.callAll('set-log-filter', { filter: logger.filter }).catch(() => {});
  return {
    debug: (message, fields) => logger.debug(message, fields),
    info: (message, fields, line) => logger.info(message, fields, line),
    warn: (message, fields, line) => logger.warn(message, fields, line),
    error: (message, fields, line) => logger.error(message, fields, line),
    child: (fields) => logger.child(fields),
    get filter() {
      return logger.filter;
    },
    setFilter: (text) => {
      logger.setFilter(text);
      tell();
    },
    resetFilter: () => {
      logger.resetFilter();
      tell();
    },
    get dropped() {
      return logger.dropped;
    },
    get suppressed() {
      return logger.suppressed;
    },
    flush: () => logger.flush(),
    flushSync: () => logger.flushSync(),
  };
}
