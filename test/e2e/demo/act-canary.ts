import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '@ambit/mesh/testing';
import type { AppResult } from '../world/apps/app-protocol.ts';
import type { MeshWorld } from '../world/mesh-world.ts';
import { drawTable } from './screen.ts';
import type { Stage } from './stage.ts';

export interface CanaryTarget {
  readonly caller: string;
  /** As people call it, and where. */
  readonly service: string;
  readonly ip: string;
  /** The pods of its two versions. */
  readonly old: string;
  readonly young: string;
  /** Headers of those who test the young one. */
  readonly tester: Readonly<Record<string, string>>;
  /** The manifest with the weights of both, the old one's first. */
  readonly route: string;
  /** Who is sent a copy of every request. */
  readonly mirror: string;
}

/** One step of the canary, and what was counted of it. */
interface Step {
  readonly percent: number;
  /** From the edit of the manifest to the first answer that tells of it, or the last that does not; null: so from the start. */
  readonly tookMs: number | null;
  readonly requests: number;
  readonly young: number;
}

const CALLERS = 6;
const REQUESTS = 250;
/** How many in a row tell that weights are in force. */
const RECENT = 40;
/** Of what is asked for, in percent of all requests: chance alone stays within it all but never. */
const TOLERANCE = 10;

/** A new version gets 1 % of the requests, then more, then all, then none again, while requests never stop. */
export async function actCanary(world: MeshWorld, stage: Stage, target: CanaryTarget): Promise<void> {
  stage.act(`5  A canary: a new version of ${target.service}, by editing one manifest`);
  const testers = await Promise.all(Array.from({ length: 10 }, () => call(world, target, target.tester)));
  stage.check(
    testers.every(({ servedBy }) => servedBy === target.young),
    `who says “${Object.entries(target.tester).flat().join(': ')}” gets the new version: ${testers.length} of ${testers.length} requests`,
  );
  const copiesBefore = copies(world, target);
  const traffic = new Traffic(world, target);
  const steps: Step[] = [];
  for (const percent of [1, 25, 100, 0])
    steps.push(await takeStep(world, target, traffic, percent, steps.length === 0));
  const answers = await traffic.stop();
  stage.line(drawSteps(steps, stage));
  const isClose = steps.every(
    ({ percent, young, requests }) =>
      Math.abs((100 * young) / requests - percent) <= (percent % 100 === 0 ? 0 : TOLERANCE),
  );
  stage.check(isClose, 'every step got its share, and 100 % and 0 % are exact');
  const lost = answers.filter(({ ok }) => !ok).length;
  stage.check(lost === 0, `${lost} of ${answers.length} requests were lost meanwhile`);
  const expected = copiesBefore + answers.length;
  await until('every copy has arrived', () => copies(world, target) >= expected).catch(() => {});
  const copied = copies(world, target) - copiesBefore;
  const strangers = answers.filter(({ servedBy }) => servedBy !== target.old && servedBy !== target.young).length;
  stage.check(
    copied === answers.length && strangers === 0,
    `${target.mirror} was sent a copy of each of them (${copied}), and ${strangers} of its answers reached ${target.caller}`,
  );
}

async function takeStep(
  world: MeshWorld,
  target: CanaryTarget,
  traffic: Traffic,
  percent: number,
  isFirst: boolean,
): Promise<Step> {
  let tookMs: number | null = null;
  if (!isFirst) {
    const before = traffic.answers.length;
    const start = performance.now();
    setWeights(join(world.options.manifests, target.route), 100 - percent, percent);
    await until(`${percent} % are in force`, () => {
      const young = traffic.youngAmong(traffic.answers.slice(before).slice(-RECENT));
      if (traffic.answers.length < before + RECENT) return false;
      if (percent === 100) return young === RECENT;
      return percent === 0 ? young === 0 : young > 1;
    });
    tookMs = Math.max(0, traffic.whenInForce(before, percent) - start);
  }
  const from = traffic.answers.length;
  await until(`${REQUESTS} requests are answered`, () => traffic.answers.length >= from + REQUESTS, 60_000);
  const counted = traffic.answers.slice(from, from + REQUESTS);
  return { percent, tookMs, requests: counted.length, young: traffic.youngAmong(counted) };
}

function drawSteps(steps: readonly Step[], stage: Stage): string {
  return drawTable(
    [
      { title: 'weight of the new one' },
      { title: 'requests', align: 'right' },
      { title: 'to the new one', align: 'right' },
      { title: 'in force after', align: 'right' },
    ],
    steps.map(({ percent, tookMs, requests, young }) => [
      `${percent} %`.padStart(5),
      String(requests),
      `${young} (${((100 * young) / requests).toFixed(1)} %)`,
      tookMs === null ? stage.palette.dim('from the start') : `${Math.round(tookMs)} ms`,
    ]),
    stage.palette,
  );
}

/** Requests that go on until they are told to stop, several at a time. */
class Traffic {
  readonly answers: AppResult[] = [];
  /** When each answer came. */
  readonly times: number[] = [];
  readonly #target: CanaryTarget;
  readonly #callers: Promise<unknown>;
  #isOver = false;

  constructor(world: MeshWorld, target: CanaryTarget) {
    this.#target = target;
    const callOn = async (): Promise<void> => {
      while (!this.#isOver) {
        this.answers.push(await call(world, target));
        this.times.push(performance.now());
      }
    };
    this.#callers = Promise.all(Array.from({ length: CALLERS }, callOn));
  }

  youngAmong(answers: readonly AppResult[]): number {
    return answers.filter(({ servedBy }) => servedBy === this.#target.young).length;
  }

  /** When the first answer came that only new weights explain, or the last that only old ones do. */
  whenInForce(from: number, percent: number): number {
    const { old, young } = this.#target;
    const contrary = percent === 100 ? old : young;
    const isLast = percent === 100 || percent === 0;
    const tells = ({ servedBy }: AppResult, index: number): boolean => index >= from && servedBy === contrary;
    const at = isLast ? this.answers.findLastIndex(tells) : this.answers.findIndex(tells);
    return this.times[at] ?? 0;
  }

  async stop(): Promise<readonly AppResult[]> {
    this.#isOver = true;
    await this.#callers;
    return this.answers;
  }
}

function call(
  world: MeshWorld,
  { caller, ip }: CanaryTarget,
  headers: Readonly<Record<string, string>> = {},
): Promise<AppResult> {
  return world.app(caller).run({ op: 'http', ip, port: 80, path: '/reviews/7', headers, timeoutMs: 8000 });
}

/** Sets the weights of the route's two backends, in one rename. */
function setWeights(path: string, ...weights: readonly number[]): void {
  const left = [...weights];
  const text = readFileSync(path, 'utf8').replaceAll(/weight: \d+/g, () => `weight: ${left.shift()}`);
  if (left.length > 0) throw new Error(`${path} has fewer than ${weights.length} weights`);
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

/** Requests that the mirror has answered so far. */
function copies(world: MeshWorld, { mirror }: CanaryTarget): number {
  return world.app(mirror).served.length;
}
