import { join } from 'node:path';
import { BenchError } from '../errors.ts';
import { type LineProgram, openLineProgram, type ProgramPlace } from '../host/line-program.ts';
import { CHORE_MS } from '../load/chores.ts';
import { scheduleTurns } from '../load/turn-schedule.ts';
import { monotonicMs, parseTurnsResult, TURN_MS, type TurnsTask } from '../load/turns.ts';
import { foreignCpuSeconds, takeCpuSnapshot } from '../measure/foreign-cpu.ts';
import { readCpuSeconds } from '../measure/process-usage.ts';
import type { Peer, RunningPeer } from './peer.ts';
import type { TurnsLoad } from './plan.ts';
import { assertAnswered } from './run-load.ts';
import type { RequestSample } from './samples.ts';

const PROGRAM = join(import.meta.dirname, '../load/turns-main.ts');
const CHORES = join(import.meta.dirname, '../load/chores-main.ts');
/** Until every program has read when turn 0 begins. */
const LEAD_MS = 100;
/** Time that all of it may take beyond the turns: mostly programs that start. */
const OVERTIME_MS = 20_000;
/** Of the chores that there is time for, on a core that others use too: with fewer a host was not lived in. */
const CHORES_SHARE_MIN = 0.4;

export interface TurnsEntrant {
  readonly peer: Pick<Peer, 'name'>;
  readonly running: Pick<RunningPeer, 'clientPids' | 'serverPids' | 'assertAlive'>;
  /** Of the application: `address:port`. */
  readonly destination: string;
  /** Of the program that asks it; absent: where the bench is. */
  readonly place?: ProgramPlace;
}

export interface TurnsRun {
  readonly entrants: readonly TurnsEntrant[];
  readonly load: TurnsLoad;
  /** The hosts, which are lived in while the load runs if it says so. */
  readonly hosts: readonly ProgramPlace[];
  readonly round: number;
  /** Of turns of each entrant: all of it takes this long for every one of them. */
  readonly seconds: number;
  /** Process id of the bench: its descendants are not foreign. */
  readonly ownPid: number;
  readonly node: string;
  readonly signal: AbortSignal;
}

/** An entrant with the program that takes its turns. */
interface Player extends TurnsEntrant {
  readonly program: LineProgram;
  readonly turns: readonly number[];
}

/**
 * Lets all entrants take turns and returns a sample of each, in their order: their connections stand side by side, and one at a time has
 * traffic. Throws `peer-failed`, naming the peer, when one lost traffic or died: such a run has no figures.
 */
export async function runTurns(run: TurnsRun): Promise<readonly RequestSample[]> {
  const { entrants, load } = run;
  for (const { running } of entrants) running.assertAlive();
  const over = new AbortController();
  const timeout = AbortSignal.timeout(entrants.length * run.seconds * 1000 + OVERTIME_MS);
  const signal = AbortSignal.any([run.signal, timeout, over.signal]);
  await using scope = new AsyncDisposableStack();
  const schedule = scheduleTurns(entrants.length, Math.round((run.seconds * 1000) / TURN_MS), run.round);
  const players: Player[] = [];
  const chores: LineProgram[] = [];
  for (const place of load.hosts === 'lived-in' ? run.hosts : []) {
    chores.push(scope.use(await unlessAborted(run, openChores(place, run.node, signal))));
  }
  // One after the other, since they warm up on one core.
  for (const [index, entrant] of entrants.entries()) {
    const program = scope.use(await carried(entrant, run, openProgram(entrant, run.node, signal)));
    players.push({ ...entrant, program, turns: schedule[index] ?? [] });
  }
  // Whoever takes turns sees nothing else: when one has failed, the others must not go on to their ends.
  scope.defer(() => over.abort());
  const others = takeCpuSnapshot();
  const before = await unlessAborted(run, choresDone(chores));
  const startMs = monotonicMs() + LEAD_MS;
  const measured = await Promise.all(players.map((player) => play(player, run, startMs)));
  const choresDue = (monotonicMs() - startMs) / CHORE_MS;
  for (const [index, done] of (await unlessAborted(run, choresDone(chores))).entries()) {
    assertLivedIn(done - (before[index] ?? 0), choresDue);
  }
  const foreign = foreignCpuSeconds(others, takeCpuSnapshot(), run.ownPid);
  return measured.map((sample) => ({ ...sample, foreignCpuSeconds: foreign / measured.length }));
}

function openProgram({ destination, place }: TurnsEntrant, node: string, signal: AbortSignal): Promise<LineProgram> {
  const failure = 'a connection that takes turns failed';
  const options = { node, program: PROGRAM, args: [destination], failure, signal };
  return openLineProgram(place === undefined ? options : { ...options, place });
}

function openChores(place: ProgramPlace, node: string, signal: AbortSignal): Promise<LineProgram> {
  return openLineProgram({ node, program: CHORES, args: [], failure: 'what lives on a host has died', place, signal });
}

/** How many each has done so far. */
function choresDone(chores: readonly LineProgram[]): Promise<readonly number[]> {
  return Promise.all(chores.map(async (program) => Number(await program.ask())));
}

/** @throws BenchError when a host was rather a silent one: the figures would be those of another load. */
function assertLivedIn(done: number, due: number): void {
  if (done >= due * CHORES_SHARE_MIN) return;
  throw new BenchError('not-ready', 'a host was not lived in while the load ran', {
    data: { chores: done, expected: Math.round(due) },
  });
}

/** Begins at once, so that of all players the CPU is read before the first turn. */
async function play(player: Player, run: TurnsRun, startMs: number): Promise<Omit<RequestSample, 'foreignCpuSeconds'>> {
  const { peer, running, program, turns } = player;
  const task: TurnsTask = { startMs, turnMs: TURN_MS, turns };
  const cpu = async (): Promise<readonly [client: number, server: number]> => [
    readCpuSeconds(running.clientPids),
    readCpuSeconds(running.serverPids),
  ];
  const [clientBefore, serverBefore] = await carried(player, run, cpu());
  const result = await carried(player, run, program.ask(JSON.stringify(task)).then(parseTurnsResult));
  running.assertAlive();
  assertAnswered({ peer: peer.name, load: run.load.name }, result);
  const [clientAfter, serverAfter] = await carried(player, run, cpu());
  return {
    kind: 'requests',
    load: run.load.name,
    peer: peer.name,
    round: run.round,
    clientCpuSeconds: clientAfter - clientBefore,
    serverCpuSeconds: serverAfter - serverBefore,
    ...result,
  };
}

/** The result of `work`, or @throws BenchError that names the peer. */
async function carried<Result>({ peer }: TurnsEntrant, run: TurnsRun, work: Promise<Result>): Promise<Result> {
  try {
    return await unlessAborted(run, work);
  } catch (cause) {
    run.signal.throwIfAborted();
    throw new BenchError('peer-failed', 'a load could not be carried', {
      cause,
      data: { peer: peer.name, load: run.load.name },
    });
  }
}

/** The result of `work`; its failure, unless all of it was aborted: then @throws the reason of that. */
async function unlessAborted<Result>({ signal }: TurnsRun, work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}
