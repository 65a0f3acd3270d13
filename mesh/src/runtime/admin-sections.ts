import { type AdminSection, get, post, textResponse } from './admin-server.ts';
import { isLevelFilter, type RootLogger } from './root-logger.ts';
import type { Metrics } from './metrics.ts';
import type { Readiness } from './readiness.ts';

/** `/healthz/ready`: 200 `ready`, or 500 with the names of the pending tasks (protocol.md 4.4). */
export function readinessSection(readiness: Readiness): AdminSection {
  return get('/healthz/ready', 'readiness', () => {
    const pending = readiness.pending();
    if (pending.length === 0) return textResponse(200, 'ready\n');
    return textResponse(500, `not ready, pending: ${pending.join(', ')}\n`);
  });
}

/** `/metrics` and `/stats/prometheus`; OpenMetrics when the Accept header names it. */
export function metricsSections(metrics: Metrics): readonly AdminSection[] {
  const scrape: AdminSection['handle'] = async ({ accept }) => {
    const format = accept.includes('application/openmetrics-text') ? 'openmetrics' : 'text';
    return { status: 200, ...(await metrics.render(format)) };
  };
  return [get('/metrics', 'metrics', scrape), get('/stats/prometheus', 'metrics', scrape)];
}

/**
 * `/logging`: GET shows the filter, POST `?level=debug` or `?level=info,xds=debug` sets it, POST `?reset` restores it. `tell` hears
 * of every new filter, for loggers of other threads; the answer waits for it.
 */
export function loggingSections(
  logger: RootLogger,
  tell: (filter: string) => Promise<unknown> | undefined = () => undefined,
): readonly AdminSection[] {
  const show = (): ReturnType<typeof textResponse> => textResponse(200, `current log filter: ${logger.filter}\n`);
  return [
    get('/logging', 'log filter', show),
    post('/logging', 'set the log filter: ?level=FILTER or ?reset', async ({ query }) => {
      const level = query.get('level');
      if (query.has('reset')) logger.resetFilter();
      else if (level !== null && isLevelFilter(level)) logger.setFilter(level);
      else return textResponse(400, 'expected ?level=LEVEL[,scope=LEVEL...] with debug, info, warn, error or off\n');
      await tell(logger.filter);
      return show();
    }),
  ];
}

/** `/quitquitquit`: POST stops the process once it has been answered. */
export function quitSection(requestStop: () => void): AdminSection {
  return post('/quitquitquit', 'stop in order, as SIGTERM does', () => {
    setImmediate(requestStop);
    return textResponse(200, 'stopping\n');
  });
}
