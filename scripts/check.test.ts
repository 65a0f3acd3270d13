/**
 * Every checker of `npm run check` is shown one planted violation and must fail with the reason, and must pass the same tree
 * without it: a checker that sees nothing would otherwise report success for ever.
 */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CHECKS } from './check.ts';
import { checkArchitecture } from './checks/architecture.ts';
import { ARCHITECTURE_RULES } from './checks/architecture-rules.ts';
import type { Check, Outcome } from './checks/check.ts';
import { disableFinding } from './checks/lint-disables.ts';

const REPOSITORY = fileURLToPath(new URL('..', import.meta.url));
const CONFIGURATION = [
  'package.json',
  'tsconfig.json',
  'biome.json',
  '.oxlintrc.json',
  '.gitignore',
  'knip.json',
  'mesh/package.json',
];

/** What the check of generated files compares. */
const GENERATING = [
  'proto',
  'mesh/src/wire/gen',
  'scripts/generate.ts',
  'scripts/generate',
  'charts/ambit/files/crds',
  'charts/ambit/values.schema.json',
  'charts/ambit/values.yaml',
  'docs/reference/policies.md',
  'docs/reference/chart.md',
];

type Files = Readonly<Record<string, string>>;

/** A tree that every checker accepts: the project's own configuration and one module with its test. */
const CLEAN: Files = {
  'scripts/entry.ts': "import { double } from './number/double.ts';\n\nconsole.log(double(2));\n",
  'scripts/number/double.ts':
    '/** Twice the number. */\nexport function double(value: number): number {\n  return value * 2;\n}\n',
};

/** Runs `look` on a temporary tree of CLEAN and `files`; `also` are copied from the repository. */
async function inTree<T>(files: Files, look: (root: string) => Promise<T>, also: readonly string[] = []): Promise<T> {
  const root = mkdtempSync(join(tmpdir(), 'ambit-check-'));
  try {
    symlinkSync(join(REPOSITORY, 'node_modules'), join(root, 'node_modules'));
    for (const path of [...CONFIGURATION, ...also])
      cpSync(join(REPOSITORY, path), join(root, path), { recursive: true });
    for (const [path, text] of Object.entries({ ...CLEAN, ...files })) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return await look(root);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function reportOf(outcome: Outcome): string {
  return outcome.ok ? '' : outcome.report;
}

function named(name: string): Check {
  const check = CHECKS.find((candidate) => candidate.name === name);
  if (check === undefined) throw new Error(`no checker is named ${name}`);
  return check;
}

interface Planted {
  readonly what: string;
  readonly check: string;
  readonly files: Files;
  /** All of these are in the report. */
  readonly report: readonly RegExp[];
  readonly also?: readonly string[];
}

const long = (lines: number): string => Array.from({ length: lines }, (_, line) => `// ${line}`).join('\n');

/** At least one for every checker; architecture has its own table below. */
const PLANTED: readonly Planted[] = [
  {
    what: 'a badly formatted file',
    check: 'format',
    files: { 'scripts/a.ts': 'export const a : number=1' },
    report: [/scripts\/a\.ts/],
  },
  {
    what: 'a file over the length limit',
    check: 'limits',
    files: { 'mesh/src/model/a.ts': `${long(401)}\n` },
    report: [/401 lines, at most 400/],
  },
  {
    what: 'a path of one machine',
    check: 'limits',
    files: { 'docs/a.md': `see ${'/root'}/notes/a.txt\n` },
    report: [/docs\/a\.md:1: a path of one machine/],
  },
  {
    what: 'a registry address in the lock file',
    check: 'limits',
    files: { 'package-lock.json': '{\n  "resolved": "https://registry.example/a.tgz"\n}\n' },
    report: [/package-lock\.json:2: a registry address/],
  },
  {
    what: 'a lint disable without a reason',
    check: 'lint disables',
    files: { 'mesh/src/model/a.ts': `// ${'oxlint-disable-next-line'} no-console\n` },
    report: [/a\.ts:1: oxlint-disable-next-line needs a reason/],
  },
  {
    what: 'a floating promise, any, a non-null assertion, console and process in a module',
    check: 'lint',
    files: {
      'mesh/src/model/a.ts':
        'async function go(): Promise<void> {\n  await Promise.resolve();\n}\nexport function a(b: any, c?: string): number {\n  go();\n  console.log(process.pid, b);\n  return c!.length + Date.now();\n}\n',
    },
    report: [
      /no-floating-promises/,
      /no-explicit-any/,
      /no-non-null-assertion/,
      /no-console/,
      /D3: a pure file knows no process/,
      /D3: a pure file reads no clock/,
    ],
  },
  {
    what: 'a switch that forgets a case',
    check: 'lint',
    files: {
      'mesh/src/a.ts':
        "export function a(kind: 'x' | 'y'): number {\n  switch (kind) {\n    case 'x':\n      return 1;\n  }\n  return 0;\n}\n",
    },
    report: [/switch-exhaustiveness-check/],
  },
  {
    what: 'a type error',
    check: 'types',
    files: { 'scripts/a.ts': "export const a: number = 'one';\n" },
    report: [/scripts\/a\.ts\(1,14\): error TS2322/],
  },
  {
    what: 'an export without its type',
    check: 'types',
    files: { 'scripts/a.ts': 'export const a = Math.random();\n' },
    report: [/TS9010/],
  },
  {
    what: 'an export that nobody uses',
    check: 'unused',
    files: { 'scripts/number/double.ts': `${CLEAN['scripts/number/double.ts']}export const spare: number = 1;\n` },
    report: [/spare\s+scripts\/number\/double\.ts/],
  },
  {
    what: 'a file that nobody uses',
    check: 'unused',
    files: { 'scripts/lost/found.ts': 'export const a: number = 1;\n' },
    report: [/scripts\/lost\/found\.ts/],
  },
  {
    what: 'a generated file edited by hand',
    check: 'generated files',
    files: { 'mesh/src/wire/gen/google/rpc/status_pb.ts': '// edited\n' },
    also: GENERATING,
    report: [/status_pb\.ts differs from proto/],
  },
  {
    what: 'a custom resource definition edited by hand, and one of a kind that does not exist',
    check: 'generated files',
    files: {
      'charts/ambit/files/crds/accesspolicies.yaml': 'kind: CustomResourceDefinition\n',
      'charts/ambit/files/crds/others.yaml': 'kind: CustomResourceDefinition\n',
    },
    also: GENERATING,
    report: [/accesspolicies\.yaml differs from the schemas it comes from/, /others\.yaml differs/],
  },
];

for (const { what, check, files, report, also } of PLANTED) {
  test(`check "${check}" fails on ${what}`, async () => {
    const found = reportOf(await inTree(files, (root) => named(check).run(root), also));
    for (const pattern of report) assert.match(found, pattern);
  });
}

/** Two files and the rule that forbids the first to import the second. */
const FORBIDDEN_IMPORTS: readonly (readonly [rule: string, from: string, to: string])[] = [
  ['D1-node-agent', 'node-agent/src/a.ts', 'controller/src/b.ts'],
  ['D1-controller', 'controller/src/a.ts', 'cni/src/b.ts'],
  ['D1-cni', 'cni/src/a.ts', 'node-agent/src/b.ts'],
  ['D1-waypoint', 'waypoint/src/a.ts', 'node-agent/src/b.ts'],
  ['D1-mesh', 'mesh/src/tls/a.ts', 'controller/src/b.ts'],
  ['D1-production', 'cni/src/a.ts', 'test/e2e/world/b.ts'],
  ['D2-model', 'mesh/src/model/a.ts', 'mesh/src/wire/b.ts'],
  ['D2-wire', 'mesh/src/wire/a.ts', 'mesh/src/runtime/b.ts'],
  ['D2-runtime', 'mesh/src/runtime/a.ts', 'mesh/src/model/b.ts'],
  ['D2-tls', 'mesh/src/tls/a.ts', 'mesh/src/hbone/b.ts'],
  ['D2-hbone', 'mesh/src/hbone/a.ts', 'mesh/src/push/b.ts'],
  ['D2-http1', 'mesh/src/http1/a.ts', 'mesh/src/hbone/b.ts'],
  ['D2-http2', 'mesh/src/http2/a.ts', 'mesh/src/push/b.ts'],
  ['D2-grpc', 'mesh/src/grpc/a.ts', 'mesh/src/hbone/b.ts'],
  ['D2-upstream', 'mesh/src/upstream/a.ts', 'mesh/src/grpc/b.ts'],
  ['D2-push', 'mesh/src/push/a.ts', 'mesh/src/grpc/b.ts'],
  ['D2-linux', 'mesh/src/linux/a.ts', 'mesh/src/wire/b.ts'],
  ['D2-routes', 'mesh/src/routes/a.ts', 'mesh/src/kinds/b.ts'],
  ['D2-policies', 'mesh/src/policies/a.ts', 'mesh/src/kinds/b.ts'],
  ['D2-kinds', 'mesh/src/kinds/a.ts', 'mesh/src/manifests/b.ts'],
  ['D2-route-wire', 'mesh/src/route-wire/a.ts', 'mesh/src/push/b.ts'],
  ['D2-manifests', 'mesh/src/manifests/a.ts', 'mesh/src/tls/b.ts'],
  ['D2-kube', 'mesh/src/kube/a.ts', 'mesh/src/grpc/b.ts'],
  ['D2-observe', 'mesh/src/observe/a.ts', 'mesh/src/push/b.ts'],
  ['D2-otlp', 'mesh/src/otlp/a.ts', 'mesh/src/wire/b.ts'],
  ['D2-view', 'mesh/src/view/a.ts', 'mesh/src/push/b.ts'],
  ['D3-node', 'controller/src/translate/a.ts', 'node:fs'],
  ['D3-node', 'node-agent/src/proxy/decide-outbound.ts', 'node:net'],
  ['D3-impure', 'controller/src/translate/a.ts', 'mesh/src/runtime/index.ts'],
  ['D4-linux', 'controller/src/a.ts', 'mesh/src/linux/index.ts'],
  ['D4-kube', 'node-agent/src/a.ts', 'mesh/src/kube/index.ts'],
  ['D4-testing', 'node-agent/src/a.ts', 'mesh/src/testing/index.ts'],
  ['D6-@bufbuild/protobuf', 'controller/src/a.ts', '@bufbuild/protobuf'],
  ['D6-@kubernetes/client-node', 'controller/src/a.ts', '@kubernetes/client-node'],
  ['D6-@grpc/grpc-js', 'mesh/src/push/a.ts', '@grpc/grpc-js'],
  ['D6-@opentelemetry/api', 'waypoint/src/a.ts', '@opentelemetry/api'],
  ['D6-@opentelemetry/exporter-trace-otlp-http', 'node-agent/src/a.ts', '@opentelemetry/exporter-trace-otlp-http'],
  ['D6-dns-packet', 'controller/src/a.ts', 'dns-packet'],
  ['D6-ipaddr.js', 'mesh/src/wire/a.ts', 'ipaddr.js'],
  ['D6-koffi', 'node-agent/src/a.ts', 'koffi'],
  ['D6-node-forge', 'controller/src/identity/a.ts', 'node-forge'],
  ['D6-re2js', 'mesh/src/kinds/a.ts', 're2js'],
  ['D6-pino', 'cni/src/a.ts', 'pino'],
  ['D6-prom-client', 'controller/src/a.ts', 'prom-client'],
  ['D6-yaml', 'controller/src/a.ts', 'yaml'],
  ['D7-exports', 'node-agent/src/a.ts', 'mesh/src/tls/svid.ts'],
  ['D7-index', 'mesh/src/tls/a.ts', 'mesh/src/model/index.ts'],
  ['D8-unresolvable', 'mesh/src/tls/a.ts', './gone.ts'],
];

/** Module specifier from one repository path to another; packages and node: modules as they are. */
function specifier(from: string, to: string): string {
  if (!to.includes('/src/') && !to.startsWith('test/')) return to;
  return `${'../'.repeat(from.split('/').length - 1)}${to}`;
}

const imports = (from: string, to: string): string =>
  `import * as b from '${specifier(from, to)}';\n\nusing c = b.d;\nconsole.log(c);\n`;

/** All of them in one tree, under names of their own: one cruise shows them all. */
const PLANTED_IMPORTS = FORBIDDEN_IMPORTS.map(([rule, from, to], index) => ({
  rule,
  from: from.replace(/\/a\.ts$/, `/a${index}.ts`),
  to: to.replace(/\/b\.ts$/, `/b${index}.ts`),
}));
const plantedImportFiles = Object.fromEntries(
  PLANTED_IMPORTS.flatMap(({ from, to }) => [
    [from, imports(from, to)],
    ...(to.endsWith('.ts') && !to.startsWith('.') ? [[to, 'export const d = null;\n']] : []),
  ]),
);
const plantedReport = inTree(plantedImportFiles, (root) => checkArchitecture(root, 0)).then(reportOf);

for (const { rule, from, to } of PLANTED_IMPORTS) {
  test(`check "architecture" forbids ${from} to import ${to} (${rule}) and says why`, async () => {
    const reason = ARCHITECTURE_RULES.find((candidate) => candidate.name === rule)?.reason;
    const lines = (await plantedReport).split('\n');
    const reported = lines.some(
      (line, index) => line.startsWith(`${from} -> `) && lines[index + 1]?.trim() === `${rule}: ${reason}`,
    );
    assert.ok(reported, lines.filter((line) => line.includes(from)).join('\n'));
  });
}

test('check "architecture" has a planted violation for every rule', () => {
  const planted = new Set(FORBIDDEN_IMPORTS.map(([rule]) => rule));
  // D8-cycle has its own test; `testing` may import every layer, so its rule cannot be broken inside mesh/src today.
  const untested = ARCHITECTURE_RULES.map(({ name }) => name).filter((name) => !planted.has(name));
  assert.deepEqual(untested, ['D2-testing', 'D8-cycle']);
});

test('check "architecture" forbids a cycle and shows it', async () => {
  const files = { 'scripts/a.ts': "import './b.ts';\n", 'scripts/b.ts': "import './a.ts';\n" };
  const found = reportOf(await inTree(files, (root) => checkArchitecture(root, 0)));
  assert.match(found, /scripts\/a\.ts -> scripts\/b\.ts.*\n\s+D8-cycle: No import cycles/);
});

test('check "architecture" allows what only the compiler sees: types of a node: module in a pure file, cycles of types', async () => {
  const files = {
    'controller/src/translate/a.ts':
      "import type { Socket } from 'node:net';\nimport type { B } from './b.ts';\n\nexport type A = Socket | B;\n",
    'controller/src/translate/b.ts': "import type { A } from './a.ts';\n\nexport type B = readonly A[];\n",
  };
  assert.equal(reportOf(await inTree(files, (root) => checkArchitecture(root, 0))), '');
});

test('check "architecture" fails when it sees too few modules', async () => {
  const found = reportOf(await inTree({}, (root) => named('architecture').run(root)));
  assert.match(found, /only 2 modules seen, at least \d+ expected: the checker is blind/);
});

for (const check of CHECKS.filter(({ name }) => name !== 'architecture' && name !== 'unused')) {
  test(`check "${check.name}" accepts a clean tree`, async () => {
    const also = check.name === 'generated files' ? GENERATING : [];
    assert.equal(reportOf(await inTree({}, (root) => check.run(root), also)), '');
  });
}

test('disableFinding() wants one rule and a reason', () => {
  const disable = `// ${'oxlint-disable-next-line'}`;
  const table: readonly (readonly [line: string, finding: boolean])[] = [
    [`${disable} no-console -- prints the report of the tool`, false],
    [`${disable} no-console -- why`, true],
    [`${disable} no-console`, true],
    [`${disable} -- everything on this line is fine`, true],
    [`/* ${'oxlint-disable'} max-lines -- one table, nothing to split */`, false],
    [`// ${'@ts-expect-error'}: the constructor rejects numbers`, false],
    [`// ${'@ts-expect-error'}`, true],
    [`// ${'@ts-ignore'} because of reasons that are long`, true],
    ['const plain = 1;', false],
  ];
  assert.deepEqual(
    table.map(([line]) => disableFinding(line) !== undefined),
    table.map(([, finding]) => finding),
  );
});

test('every checker has a planted violation', () => {
  const planted = new Set([...PLANTED.map(({ check }) => check), 'architecture']);
  assert.deepEqual(
    CHECKS.map(({ name }) => name).filter((name) => !planted.has(name)),
    [],
  );
});
