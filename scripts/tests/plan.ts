/** A set of test files that are run the same way. */
export interface TestGroup {
  readonly name: 'covered' | 'plain' | 'privileged';
  readonly files: readonly string[];
  /** Test files at a time. */
  readonly concurrency: number;
  /** Print each test with its time, not only each file. */
  readonly eachTest?: boolean;
  /** For the slow: how long a file's tests may take, when that is more than two minutes. */
  readonly testTimeoutMs?: number;
}

/** Layers whose line coverage is gated; their own tests alone must reach it. */
export const COVERED_LAYERS: readonly string[] = [
  'mesh/src/model',
  'mesh/src/view',
  'mesh/src/wire',
  'mesh/src/hbone',
  'mesh/src/http1',
  'mesh/src/http2',
  'mesh/src/observe',
  'mesh/src/routes',
  'mesh/src/route-wire',
];

/** Files of the slower tiers, `x.<tier>.test.ts`; each tier has a command of its own and `npm test` leaves them out. */
export type Tier = 'kube' | 'interop' | 'cluster';
const TIER_FILE = /\.(?<tier>kube|interop|cluster)\.test\.ts$/;

const PRIVILEGED = /\.root\.test\.ts$|^test\/e2e\//;
/** Long runs that measure endurance, not lines: coverage would only slow them down. */
const ENDURANCE =
  /\.soak\.test\.ts$|^mesh\/src\/(?:hbone\/(?:1gib|interleaving|fuzz)|http1\/(?:fuzz|llhttp)|http2\/(?:fuzz|nghttp2))\.test\.ts$/;

/** Sorts test files into groups; `filters` are parts of paths, and none means all. */
export function planTests(paths: readonly string[], filters: readonly string[]): TestGroup[] {
  const files = matching(paths, filters).filter((path) => path.endsWith('.test.ts') && !TIER_FILE.test(path));
  const privileged = files.filter((file) => PRIVILEGED.test(file));
  const covered = files.filter(
    (file) =>
      !PRIVILEGED.test(file) && !ENDURANCE.test(file) && COVERED_LAYERS.some((layer) => file.startsWith(`${layer}/`)),
  );
  const others = files.filter((file) => !privileged.includes(file) && !covered.includes(file));
  // The long ones first: at the end one of them would run alone.
  const plain = [...others.filter((file) => ENDURANCE.test(file)), ...others.filter((file) => !ENDURANCE.test(file))];
  const groups: readonly TestGroup[] = [
    { name: 'covered', files: covered, concurrency: 2 },
    { name: 'plain', files: plain, concurrency: 2 },
    { name: 'privileged', files: privileged, concurrency: 2 },
  ];
  return groups.filter((group) => group.files.length > 0);
}

/** `x.alone.root.test.ts`: what a rate or a time is promised of, and other tests beside it would be measured. */
const ALONE = /\.alone\.root\.test\.ts$/;

/** The files of the privileged group that run after all others, one at a time. */
export function aloneOf(files: readonly string[]): readonly string[] {
  return files.filter((file) => ALONE.test(file));
}

const WORLD = /^test\/e2e\//;

/**
 * The files of the privileged group that may run at the same time, each list one after the other and in a sandbox of its own. Worlds wait
 * for their programs most of the time, but all of them start the same build of these: they are one list. `aloneOf` are in none.
 */
export function lanesOf(files: readonly string[]): readonly (readonly string[])[] {
  const others = files.filter((file) => !ALONE.test(file));
  const lanes = [others.filter((file) => WORLD.test(file)), others.filter((file) => !WORLD.test(file))];
  return lanes.filter((lane) => lane.length > 0);
}

/** The files of one tier, in order of path. */
export function planTier(paths: readonly string[], tier: Tier, filters: readonly string[]): readonly string[] {
  return matching(paths, filters)
    .filter((path) => TIER_FILE.exec(path)?.groups?.['tier'] === tier)
    .toSorted();
}

function matching(paths: readonly string[], filters: readonly string[]): readonly string[] {
  return paths.filter((path) => filters.length === 0 || filters.some((filter) => path.includes(filter)));
}
