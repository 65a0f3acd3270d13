import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { until } from '@ambit/mesh/testing';
import { buildBundles } from '../../../scripts/build.ts';
import { accessRecords, type AccessRecord } from '../demo/access-log.ts';
import { sumOfMetric } from '../demo/metrics-text.ts';
import type { AppResult } from '../world/apps/app-protocol.ts';
import { MeshWorld, type MeshWorldOptions } from '../world/mesh-world.ts';
import { LINE_PORT, type ManifestDirectory, MESH_RANGES } from './manifests.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
export const CALL_MS = 8000;

/**
 * Builds the programs and starts the mesh that `manifests` describes; resolves once the pods named are served and known, everywhere unless
 * agents ask for what they need alone.
 */
export async function startMesh(
  manifests: ManifestDirectory,
  pods: readonly string[],
  more: Pick<MeshWorldOptions, 'variables' | 'idle'> = {},
): Promise<MeshWorld> {
  await buildBundles(ROOT);
  const world = await MeshWorld.start({ manifests: manifests.path, form: 'bundle', meshRanges: MESH_RANGES, ...more });
  try {
    await world.captured(pods);
    if (more.variables?.['node-agent']?.['AMBIT_XDS_ON_DEMAND'] !== 'true') await world.tunnelled(pods);
    return world;
  } catch (error) {
    console.error(logsOf(world));
    await world[Symbol.asyncDispose]();
    throw error;
  }
}

/** The end of every process's log, for whoever has to find out why a scenario failed. */
export function logsOf(world: MeshWorld): string {
  const hosts = world.hosts.flatMap(({ name }) => [world.processes(name).cniAgent, world.processes(name).nodeAgent]);
  const waypoints = [...world.waypoints.values()].map(({ process }) => process);
  const logs = [world.controller, ...hosts, ...waypoints].map(({ plan, log }) => [plan.name, log] as const);
  const accesses = world.hosts.map(({ name }) => [`access log of ${name}`, world.accessLog(name)] as const);
  return [...logs, ...accesses]
    .map(([name, text]) => `--- ${name}\n${text.trimEnd().split('\n').slice(-15).join('\n')}`)
    .join('\n');
}

/** One connection on which one line goes there and back. */
export function callLine(
  world: MeshWorld,
  caller: string,
  ip: string,
  line = 'hello',
  timeoutMs: number = CALL_MS,
): Promise<AppResult> {
  return world.app(caller).run({ op: 'line', ip, port: LINE_PORT, line, timeoutMs });
}

/** A connection on which lines go there and back until something ends it. @throws when it does not open. */
export async function holdLine(world: MeshWorld, caller: string, ip: string): Promise<HeldLine> {
  const held = world.app(caller).hold({ ip, port: LINE_PORT, intervalMs: 10, timeoutMs: CALL_MS });
  const opened = await held.opened;
  assert.equal(opened.ok, true, `${caller} holds a connection to ${ip}: ${opened.error}`);
  return new HeldLine(world, caller, held.id, opened, held.ended);
}

/** A connection that is open until a test says otherwise. */
export class HeldLine {
  readonly opened: AppResult;
  readonly ended: Promise<{ readonly lines: number; readonly error?: string }>;
  readonly #world: MeshWorld;
  readonly #caller: string;
  readonly #id: number;
  #hasEnded = false;

  constructor(world: MeshWorld, caller: string, id: number, opened: AppResult, ended: HeldLine['ended']) {
    this.#world = world;
    this.#caller = caller;
    this.#id = id;
    this.opened = opened;
    this.ended = ended.then((end) => {
      this.#hasEnded = true;
      return end;
    });
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Ends it from the caller's side; resolves with the error it ended with, none if it was whole to its end. */
  async release(): Promise<string | undefined> {
    await this.#world.app(this.#caller).run({ op: 'release', hold: this.#id });
    return (await this.ended).error;
  }
}

/** Lines of the connection that `holder` has open which the app `server` answered so far. */
export function linesAnswered(world: MeshWorld, server: string, held: HeldLine): number {
  const source = held.opened.seenSource;
  return world.app(server).served.filter((event) => event.source === source).length;
}

/** Resolves when another `count` lines of a held connection were answered: it lives. */
export async function livesOn(world: MeshWorld, server: string, held: HeldLine, count = 5): Promise<void> {
  const before = linesAnswered(world, server, held);
  await until(`lines of ${held.opened.localAddress} are answered`, () => {
    if (held.hasEnded) throw new Error('the connection has ended');
    return linesAnswered(world, server, held) >= before + count;
  });
}

/** The record of the connection whose caller the agent of `host` knows as `source` (`ip:port`), once it is written. */
export function recordOf(
  world: MeshWorld,
  host: string,
  direction: 'inbound' | 'outbound',
  matches: (record: AccessRecord) => boolean,
): Promise<AccessRecord> {
  return until(`${host} writes the ${direction} record`, () =>
    accessRecords(world.accessLog(host), direction).findLast(matches),
  );
}

/** True of records of connections from `result`'s caller, by its own address and port. */
export function fromCaller(result: AppResult): (record: AccessRecord) => boolean {
  return (record) => record.fields.get('src.addr') === result.localAddress;
}

export async function nodeAgentMetric(
  world: MeshWorld,
  host: string,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number> {
  return sumOfMetric((await world.ask(host, 'metrics', '/metrics')) ?? '', name, labels);
}

export async function controllerMetric(
  world: MeshWorld,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number> {
  return sumOfMetric((await world.askController('controller-metrics', '/metrics')) ?? '', name, labels);
}

/** `10.1.2.3:40000` -> `10.1.2.3`, `[fd00::1]:40000` -> `fd00::1`. */
export function ipOf(address: string | undefined): string {
  return (address ?? '').replace(/^\[?(.*?)\]?:\d+$/, '$1');
}
