import { BenchError } from './errors.ts';
import { PEER_NAMES, type PeerName } from './l4/peer.ts';
import { LOADS, type LoadName } from './l4/plan.ts';
import { MEASURE_NAMES } from './scale/scale-bench.ts';
import { L7_LOADS, L7_PEERS, type L7LoadName, type L7PeerName } from './l7/plan.ts';

/** What the user asked for. */
export type BenchCommand =
  | { readonly kind: 'help' }
  | { readonly kind: 'accept-dial' }
  | { readonly kind: 'http1' }
  | { readonly kind: 'http2' }
  | { readonly kind: 'policies' }
  | { readonly kind: 'routes' }
  | ({ readonly kind: 'scale' } & ScaleCommand)
  | ({ readonly kind: 'l4'; readonly starts?: number } & PeerBench<PeerName, LoadName>)
  | ({ readonly kind: 'l7' } & PeerBench<L7PeerName, L7LoadName>);

/** Options of a bench that runs beside peers. */
export interface PeerBench<Peer, Load> {
  readonly quick: boolean;
  readonly profile: boolean;
  readonly peers?: readonly Peer[];
  readonly loads?: readonly Load[];
  readonly rounds?: number;
  readonly seconds?: number;
  readonly out?: string;
}

export interface ScaleCommand {
  readonly quick: boolean;
  readonly rounds?: number;
  /** Absent: all. */
  readonly measures?: readonly string[];
}

const LOAD_NAMES: readonly LoadName[] = LOADS.map(({ name }) => name);
const COUNT_MAX = 1000;
const PEER_FLAGS = ['--quick', '--profile'];
const PEER_VALUES = ['--peers', '--loads', '--rounds', '--seconds', '--out'];

export const HELP: string = `usage: npm run bench -- BENCH [OPTIONS]

benches
  l4            two pods on two hosts: Ambit's tunnel beside direct TCP, an nginx stream pair and an Envoy HBONE pair
  l7            one proxy between clients and a server: Ambit's waypoint beside Envoy in the same position, and nginx in plaintext
  scale         node agent in a mesh of 100,000 workloads (memory, time to take it in, pauses meanwhile), and two pods of one agent; writes bench/results/scale.md
  accept-dial   CPU of accepting and dialling inside a pod's network namespace; writes bench/results/accept-dial.md
  http1         CPU of reading and writing HTTP/1.1 messages beside llhttp, Node's parser; writes bench/results/http1.md
  http2         CPU of requests and responses over HTTP/2 beside node:http2; writes bench/results/http2.md
  policies      CPU of asking 1, 100 and 1,000 rules of access policies about a request; writes bench/results/policies.md
  routes        CPU of finding the rule of a request among 1, 100 and 5,000 routes; writes bench/results/routes.md

options of l4 and l7
  --quick           at most 55 s; the last line is one JSON object of ratios
  --peers A,B       only these of l4: ${PEER_NAMES.join(', ')}
                    of l7: ${L7_PEERS.join(', ')}
  --loads A,B       only these of l4: ${LOADS.map(({ name }) => name).join(', ')}
                    of l7: ${L7_LOADS.map(({ name }) => name).join(', ')}
  --rounds N        interleaved rounds (default 5)
  --starts N        of l4 only: do it N times with fresh proxies, all rounds counted together (default 1)
  --seconds N       length of one load through one peer (default 3)
  --out DIR         where results go (default bench/results)
  --profile         write a CPU profile of each Ambit process beside the results; its figures are then not comparable

options of scale
  --quick           at most 55 s; the last line is one JSON object of figures
  --measures A,B    only these, and nothing is written: ${MEASURE_NAMES.join(', ')}
  --rounds N        rounds (default 3)

l4, l7, scale and accept-dial need root: they create network namespaces (all removed at the end, also after Ctrl-C)
environment: AMBIT_BENCH_CACHE, where Envoy is kept (default ~/.cache/ambit-bench)
`;

/** Parses the arguments after the program's name. Throws `bad-arguments` naming the one that is wrong. */
export function parseCommandLine(args: readonly string[]): BenchCommand {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || rest.includes('--help')) return { kind: 'help' };
  if (name === 'accept-dial' || name === 'http1' || name === 'http2' || name === 'policies' || name === 'routes') {
    if (rest[0] !== undefined) throw badArgument(rest[0]);
    return { kind: name };
  }
  if (name === 'scale') return { kind: name, ...parseScale(rest) };
  if (name === 'l4') return { kind: name, ...parseL4(rest) };
  if (name !== 'l7') throw badArgument(name);
  const loads = L7_LOADS.map((load) => load.name);
  return { kind: name, ...parsePeerBench(parseOptions(rest, PEER_FLAGS, PEER_VALUES), L7_PEERS, loads) };
}

function parseL4(rest: readonly string[]): PeerBench<PeerName, LoadName> & { readonly starts?: number } {
  const options = parseOptions(rest, PEER_FLAGS, [...PEER_VALUES, '--starts']);
  const starts = options.values['--starts'];
  return {
    ...parsePeerBench(options, PEER_NAMES, LOAD_NAMES),
    ...(starts === undefined ? {} : { starts: parseCount('--starts', starts) }),
  };
}

function parseScale(rest: readonly string[]): ScaleCommand {
  const { flags, values } = parseOptions(rest, ['--quick'], ['--measures', '--rounds']);
  const measures = values['--measures'];
  const rounds = values['--rounds'];
  return {
    quick: flags.has('--quick'),
    ...(measures === undefined ? {} : { measures: parseNames('--measures', measures, MEASURE_NAMES) }),
    ...(rounds === undefined ? {} : { rounds: parseCount('--rounds', rounds) }),
  };
}

interface GivenOptions {
  readonly flags: ReadonlySet<string>;
  readonly values: Readonly<Record<string, string>>;
}

/** @throws BenchError of one that is in neither list, or lacks its value. */
function parseOptions(
  rest: readonly string[],
  flagNames: readonly string[],
  valueNames: readonly string[],
): GivenOptions {
  const values: Record<string, string> = {};
  const flags = new Set<string>();
  for (let index = 0; index < rest.length; index++) {
    const option = rest[index] ?? '';
    if (flagNames.includes(option)) {
      flags.add(option);
      continue;
    }
    const value = rest[index + 1];
    if (!valueNames.includes(option) || value === undefined) throw badArgument(option);
    values[option] = value;
    index += 1;
  }
  return { flags, values };
}

function parsePeerBench<Peer extends string, Load extends string>(
  { flags, values }: GivenOptions,
  knownPeers: readonly Peer[],
  knownLoads: readonly Load[],
): PeerBench<Peer, Load> {
  const peers = values['--peers'];
  const loads = values['--loads'];
  const rounds = values['--rounds'];
  const seconds = values['--seconds'];
  const out = values['--out'];
  return {
    quick: flags.has('--quick'),
    profile: flags.has('--profile'),
    ...(peers === undefined ? {} : { peers: parseNames('--peers', peers, knownPeers) }),
    ...(loads === undefined ? {} : { loads: parseNames('--loads', loads, knownLoads) }),
    ...(rounds === undefined ? {} : { rounds: parseCount('--rounds', rounds) }),
    ...(seconds === undefined ? {} : { seconds: parseCount('--seconds', seconds) }),
    ...(out === undefined ? {} : { out }),
  };
}

/** The named ones, in the order in which they are known. */
function parseNames<Name extends string>(option: string, text: string, known: readonly Name[]): readonly Name[] {
  const wanted = text.split(',');
  const unknown = wanted.find((name) => !known.some((each) => each === name));
  if (unknown !== undefined) throw badArgument(`${option} ${unknown}`);
  return known.filter((name) => wanted.includes(name));
}

function parseCount(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > COUNT_MAX) throw badArgument(`${option} ${text}`);
  return value;
}

function badArgument(argument: string): BenchError {
  return new BenchError('bad-arguments', 'an argument is not understood, see --help', { data: { argument } });
}
