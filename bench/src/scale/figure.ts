import type { ChildProcesses } from '../host/child-processes.ts';
import type { PodPair, Topology } from '../host/topology.ts';

/** What a figure is measured on: agents are built, pods are there and captured unless said, nothing runs yet. */
export interface ScaleSite {
  /** For this measure alone: a client pod and a server pod on two hosts. */
  readonly pair: PodPair;
  /** `pair`, and as many more as the measure asks for. */
  readonly pairs: readonly PodPair[];
  readonly topology: Topology;
  readonly children: ChildProcesses;
  readonly directory: string;
  /** Process id of the bench. */
  readonly ownPid: number;
  readonly node: string;
  readonly root: string;
  /** Search path of programs. */
  readonly path: string;
  /** Only what the last line is made of. */
  readonly quick: boolean;
  readonly rounds: number;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

/** One measured quantity in every round of it. */
export interface ScaleFigure {
  /** Key of the JSON line when `isQuick`. */
  readonly name: string;
  readonly words: string;
  readonly unit: string;
  /** `<= 2`, `>= 2`, or `-` where nothing is bound. */
  readonly must: string;
  readonly aim: string;
  readonly values: readonly number[];
}

/** Something that `bench -- scale` measures: a file of its own here, and a line in `scale-bench.ts`. */
export interface ScaleMeasure {
  readonly name: string;
  /** Pairs of pods that it needs; one unless said. */
  readonly pairCount?: number;
  /** So many of them, the last ones, are outside of the mesh: nothing is captured there. */
  readonly plainPairCount?: number;
  /** No figure of the last line is its own: a quick run leaves it out. */
  readonly isFullOnly?: boolean;
  measure(site: ScaleSite): Promise<readonly ScaleFigure[]>;
}
