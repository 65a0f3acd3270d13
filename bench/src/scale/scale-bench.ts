import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { bug } from '@ambit/mesh/runtime';
import { buildBundles } from '../../../scripts/build.ts';
import { BenchError } from '../errors.ts';
import { ChildProcesses } from '../host/child-processes.ts';
import { describeMachine } from '../host/machine.ts';
import { ensurePrograms, L4_PROGRAMS } from '../host/system-packages.ts';
import { openTopology } from '../host/topology.ts';
import { capturePod } from '../l4/capture.ts';
import { summarise, toSignificant } from '../measure/summary.ts';
import { formatSummary, markdownTable } from '../report/format.ts';
import type { ScaleFigure, ScaleMeasure, ScaleSite } from './figure.ts';
import { dnsMeasure } from './dns-measure.ts';
import { neighbourMeasure } from './neighbour-measure.ts';
import { requestsMeasure } from './requests-measure.ts';
import { sameNodeMeasure } from './same-node-measure.ts';
import { viewMeasure } from './view-measure.ts';

/** Everything that is measured, in this order. */
const MEASURES: readonly ScaleMeasure[] = [viewMeasure, sameNodeMeasure, dnsMeasure, requestsMeasure, neighbourMeasure];

export const MEASURE_NAMES: readonly string[] = MEASURES.map(({ name }) => name);

export interface ScaleBenchOptions extends Omit<ScaleSite, 'pair' | 'pairs' | 'topology' | 'children' | 'directory'> {
  readonly isRoot: boolean;
  /** Only these; absent: all. */
  readonly measures?: readonly string[];
}

/** Everything one run measured, as written to the results file. */
export interface ScaleResults {
  readonly bench: 'scale';
  readonly startedAt: string;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly rounds: number;
  readonly figures: readonly ScaleFigure[];
}

const DIGITS = 4;

/**
 * Measures what a node agent is bound to at scale. Whatever it creates (namespaces, processes, files) is gone when the promise
 * settles, also when the signal aborts it. @throws BenchError when anything fails: half a result is none.
 */
export async function runScaleBench(options: ScaleBenchOptions): Promise<ScaleResults> {
  if (!options.isRoot || cpus().length < 2) {
    throw new BenchError('unsupported-machine', 'the scale bench needs root for network namespaces, and two cores', {
      data: { hint: 'sudo npm run bench -- scale' },
    });
  }
  const startedAt = new Date().toISOString();
  await ensurePrograms(L4_PROGRAMS, options);
  await buildBundles(options.root, ['node-agent', 'node-agent-worker']);
  const measures = MEASURES.filter(
    ({ name, isFullOnly }) => options.measures?.includes(name) ?? !(options.quick && isFullOnly === true),
  );
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
    for (const { clientNetns, serverNetns } of pairs.slice(0, pairs.length - (one.plainPairCount ?? 0))) {
      for (const netns of [clientNetns, serverNetns]) await capturePod(netns, options.signal);
    }
    figures.push(...(await one.measure({ ...options, pair, pairs, topology, children, directory })));
  }
  return { bench: 'scale', startedAt, machine: await describeMachine(), rounds: options.rounds, figures };
}

/** Writes `scale-<date>.json` and `scale.md` into the directory and returns their paths. */
export async function writeScaleResults(results: ScaleResults, directory: string): Promise<readonly string[]> {
  await mkdir(directory, { recursive: true });
  const files = [
    [join(directory, `scale-${results.startedAt.slice(0, 10)}.json`), `${JSON.stringify(results, undefined, 1)}\n`],
    [join(directory, 'scale.md'), scalePage(results)],
  ] as const;
  for (const [file, content] of files) await writeFile(file, content);
  return files.map(([file]) => file);
}

function scalePage({ rounds, startedAt, machine, figures }: ScaleResults): string {
  return [
    '# Scale: what a node agent is bound to',
    '',
    `Medians of ${rounds} rounds (minimum-maximum), started ${startedAt}. The median is held against what must be and what is aimed at.`,
    '',
    Object.entries({ node: process.version, ...machine })
      .map(([name, value]) => `${name}: ${value}`)
      .join('; '),
    '',
    scaleReport(figures),
    '',
  ].join('\n');
}

/** Whether the median is what is aimed at, what must be, or neither. */
function holds({ must, aim, values }: ScaleFigure): string {
  if (!isBound(must)) return '-';
  const median = summarise(values)?.median ?? Number.NaN;
  if (isBound(aim) && isWithin(median, aim)) return 'aim';
  return isWithin(median, must) ? 'must' : 'no';
}

function isBound(text: string): boolean {
  return text !== '-';
}

function isWithin(value: number, bound: string): boolean {
  const [operator, limit] = bound.split(' ');
  return operator === '>=' ? value >= Number(limit) : value <= Number(limit);
}

/** The result as a Markdown table. */
export function scaleReport(figures: readonly ScaleFigure[]): string {
  return markdownTable(
    ['figure', 'what', 'measured', 'unit', 'must', 'aim', 'holds'],
    figures.map((figure) => [
      figure.name,
      figure.words,
      formatSummary(summarise(figure.values)),
      figure.unit,
      figure.must,
      figure.aim,
      holds(figure),
    ]),
  );
}

/** The medians by name, for the last line of a quick run. */
export function scaleLine(figures: readonly ScaleFigure[]): Readonly<Record<string, number>> {
  return Object.fromEntries(
    figures.map(({ name, values }) => [name, toSignificant(summarise(values)?.median ?? Number.NaN, DIGITS)]),
  );
}
