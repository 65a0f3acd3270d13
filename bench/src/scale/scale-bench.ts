import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { bug } from '@ambit/mesh/runtime';
import { buildBundles } from '../../../scripts/build.ts';
import { BenchError } from '../errors.ts';
import { ChildProcesses } from '../host/child-processes.ts';
import { openTopology } from '../host/topology.ts';
import { capturePod } from '../l4/capture.ts';
import { summarise, toSignificant } from '../measure/summary.ts';
import { formatSummary, markdownTable } from '../report/format.ts';
import type { ScaleFigure, ScaleMeasure, ScaleSite } from './figure.ts';
import { dnsMeasure } from './dns-measure.ts';
import { requestsMeasure } from './requests-measure.ts';
import { sameNodeMeasure } from './same-node-measure.ts';
import { viewMeasure } from './view-measure.ts';

/** Everything that is measured, in this order. */
const MEASURES: readonly ScaleMeasure[] = [viewMeasure, sameNodeMeasure, dnsMeasure, requestsMeasure];

export interface ScaleBenchOptions extends Omit<ScaleSite, 'pair' | 'pairs' | 'topology' | 'children' | 'directory'> {
  readonly isRoot: boolean;
}

const DIGITS = 4;

/**
 * Measures what a node agent is bound to at scale. Whatever it creates (namespaces, processes, files) is gone when the promise
 * settles, also when the signal aborts it. @throws BenchError when anything fails: half a result is none.
 */
export async function runScaleBench(options: ScaleBenchOptions): Promise<readonly ScaleFigure[]> {
  if (!options.isRoot || cpus().length < 2) {
    throw new BenchError('unsupported-machine', 'the scale bench needs root for network namespaces, and two cores', {
      data: { hint: 'sudo npm run bench -- scale' },
    });
  }
  await buildBundles(options.root, ['node-agent', 'node-agent-worker']);
  const measures = MEASURES.filter(({ isFullOnly }) => !(options.quick && isFullOnly === true));
  const pairCount = measures.reduce((sum, { pairCount: count = 1 }) => sum + count, 0);
  await using scope = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'ambit-bench-'));
  scope.defer(() => rm(directory, { recursive: true, force: true }));
  const topology = scope.use(await openTopology(options.ownPid, pairCount));
  const children = scope.use(new ChildProcesses(directory));
  const figures: ScaleFigure[] = [];
  const unused = [...topology.pairs];
  for (const one of measures) {
    const pairs = unused.splice(0, one.pairCount ?? 1);
    const pair = pairs[0] ?? bug('a measure without its pods');
    for (const { clientNetns, serverNetns } of pairs) {
      for (const netns of [clientNetns, serverNetns]) await capturePod(netns, options.signal);
    }
    figures.push(...(await one.measure({ ...options, pair, pairs, topology, children, directory })));
  }
  return figures;
}

/** The result as a Markdown table. */
export function scaleReport(figures: readonly ScaleFigure[]): string {
  return markdownTable(
    ['figure', 'what', 'measured', 'unit', 'must', 'aim'],
    figures.map(({ name, words, unit, must, aim, values }) => [
      name,
      words,
      formatSummary(summarise(values)),
      unit,
      must,
      aim,
    ]),
  );
}

/** The medians by name, for the last line of a quick run. */
export function scaleLine(figures: readonly ScaleFigure[]): Readonly<Record<string, number>> {
  return Object.fromEntries(
    figures.map(({ name, values }) => [name, toSignificant(summarise(values)?.median ?? Number.NaN, DIGITS)]),
  );
}
