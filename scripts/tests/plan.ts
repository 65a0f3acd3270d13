/** A set of test files that are run the same way. */
export interface TestGroup {
  readonly name: 'covered' | 'plain' | 'privileged';
  readonly files: readonly string[];
  /** Test files at a time. */
  readonly concurrency: number;
}

/** Layers whose line coverage is gated; their own tests alone must reach it. */
export const COVERED_LAYERS: readonly string[] = ['mesh/src/model', 'mesh/src/wire', 'mesh/src/hbone'];

const PRIVILEGED = /\.root\.test\.ts$|^test\/e2e\//;
/** Tests with a runner of their own, which starts what they need: `npm run test:kube`, `test:interop`, `test:cluster`. */
const OTHER_TIERS = /\.(?:kube|interop|cluster)\.test\.ts$/;
/** Long runs that measure endurance, not lines: coverage would only slow them down. */
const ENDURANCE = /\.soak\.test\.ts$|^mesh\/src\/hbone\/(?:1gib|interleaving|fuzz)\.test\.ts$/;

/** Sorts test files into groups; `filters` are parts of paths, and none means all. */
export function planTests(paths: readonly string[], filters: readonly string[]): TestGroup[] {
  const files = paths.filter(
    (path) =>
      path.endsWith('.test.ts') &&
      !OTHER_TIERS.test(path) &&
      (filters.length === 0 || filters.some((filter) => path.includes(filter))),
  );
  const privileged = files.filter((file) => PRIVILEGED.test(file));
  const covered = files.filter(
    (file) =>
      !PRIVILEGED.test(file) && !ENDURANCE.test(file) && COVERED_LAYERS.some((layer) => file.startsWith(`${layer}/`)),
  );
  const plain = files.filter((file) => !privileged.includes(file) && !covered.includes(file));
  const groups: readonly TestGroup[] = [
    { name: 'covered', files: covered, concurrency: 2 },
    { name: 'plain', files: plain, concurrency: 2 },
    // Worlds of namespaces share the machine's addresses and its two cores: one at a time.
    { name: 'privileged', files: privileged, concurrency: 1 },
  ];
  return groups.filter((group) => group.files.length > 0);
}
