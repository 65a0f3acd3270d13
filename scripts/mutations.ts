/**
 * `npm run mutations [part-of-file …]`: applies each one-line mutation of scripts/mutations/list.ts in a copy of the repository and
 * demands that a test fails. First the unbroken copy must pass, or every mutation would look noticed.
 */
import { fileURLToPath } from 'node:url';
import { MUTATIONS } from './mutations/list.ts';
import { applyMutation, type Mutation } from './mutations/mutation.ts';
import { Sandbox } from './mutations/sandbox.ts';

/** Sandboxes at a time. */
const PARALLEL = 2;

type Verdict = 'killed' | 'SURVIVED' | 'INVALID';

async function tryMutation(sandbox: Sandbox, mutation: Mutation): Promise<{ verdict: Verdict; detail: string }> {
  const original = await sandbox.read(mutation.file);
  const mutated = applyMutation(original, mutation);
  if ('problem' in mutated) return { verdict: 'INVALID', detail: mutated.problem };
  await sandbox.write(mutation.file, mutated.text);
  try {
    const outcome = await sandbox.runTests(mutation.tests);
    return {
      verdict: outcome === 'passed' ? 'SURVIVED' : 'killed',
      detail: outcome === 'timed out' ? 'timed out' : '',
    };
  } finally {
    await sandbox.write(mutation.file, original);
  }
}

/** Runs `work` over `items` in every sandbox at once. */
async function spread<T>(
  items: readonly T[],
  sandboxes: readonly Sandbox[],
  work: (sandbox: Sandbox, item: T) => Promise<void>,
): Promise<void> {
  const waiting = [...items];
  const drain = async (sandbox: Sandbox): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(sandbox, item);
  };
  await Promise.all(sandboxes.map(drain));
}

async function main(filters: readonly string[]): Promise<number> {
  const began = performance.now();
  const repository = fileURLToPath(new URL('..', import.meta.url));
  const mutations = MUTATIONS.filter(
    ({ file }) => filters.length === 0 || filters.some((filter) => file.includes(filter)),
  );
  await using sandboxes = new AsyncDisposableStack();
  const slots: Sandbox[] = [];
  for (let slot = 0; slot < PARALLEL; slot += 1) slots.push(sandboxes.use(await Sandbox.create(repository)));

  const broken: string[] = [];
  await spread([...new Set(mutations.flatMap(({ tests }) => tests))], slots, async (sandbox, file) => {
    if ((await sandbox.runTests([file])) !== 'passed') broken.push(file);
  });
  if (broken.length > 0) {
    console.error(`these tests fail without any mutation, so they prove nothing: ${broken.join(', ')}`);
    return 1;
  }

  const counts = { killed: 0, SURVIVED: 0, INVALID: 0 } satisfies Record<Verdict, number>;
  await spread(mutations, slots, async (sandbox, mutation) => {
    const start = performance.now();
    const { verdict, detail } = await tryMutation(sandbox, mutation);
    counts[verdict] += 1;
    const seconds = ((performance.now() - start) / 1000).toFixed(1).padStart(5);
    console.log(
      `${verdict.padEnd(8)} ${seconds} s  ${mutation.area}: ${mutation.file}: ${mutation.find} => ${mutation.replace} ${detail}`.trimEnd(),
    );
  });
  console.log(`\n${((performance.now() - began) / 1000).toFixed(0)} s`);
  console.log(
    `${counts.killed} of ${mutations.length} mutations killed, ${counts.SURVIVED} survived, ${counts.INVALID} invalid`,
  );
  return counts.killed === mutations.length && mutations.length > 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
