/**
 * Who may import whom, as data: every rule carries the reason that is printed when it is broken. Paths are regular
 * expressions over paths relative to the repository. docs/internals/development.md explains how to read a violation.
 */

/** The processes. They share code through mesh/ only. */
export const APPS: readonly string[] = ['node-agent', 'waypoint', 'controller', 'cni'];

/** Layers of mesh/src and the other layers each may import. `testing` is for tests and may import them all. */
export const MESH_LAYERS: Readonly<Record<string, readonly string[]>> = {
  model: [],
  wire: ['model'],
  runtime: [],
  tls: ['model', 'wire', 'runtime'],
  hbone: ['model', 'wire', 'tls', 'runtime'],
  http1: ['model', 'wire', 'tls', 'runtime'],
  http2: ['model', 'wire', 'tls', 'runtime', 'hbone', 'http1'],
  observe: ['hbone', 'http1'],
  view: ['model'],
  push: ['model', 'wire', 'tls', 'runtime', 'view'],
  upstream: ['model', 'runtime'],
  grpc: ['model', 'wire', 'tls', 'runtime', 'push', 'upstream'],
  linux: ['model', 'runtime'],
  otlp: ['runtime'],
  routes: ['model'],
  policies: ['model'],
  kinds: ['model', 'routes'],
  'route-wire': ['model', 'wire', 'routes', 'policies', 'kinds'],
  manifests: ['model', 'routes', 'kinds', 'runtime'],
  kube: ['model', 'routes', 'kinds', 'runtime'],
  testing: [
    'model',
    'wire',
    'runtime',
    'tls',
    'hbone',
    'http1',
    'http2',
    'observe',
    'grpc',
    'push',
    'view',
    'linux',
    'routes',
    'policies',
    'kinds',
    'route-wire',
    'manifests',
    'kube',
  ],
};

/** Decisions, translations and codecs: same input, same output, testable by a table. */
export const PURE_FILES: string =
  '^mesh/src/(?:model|wire|view|kinds|http1|observe|policies|route-wire)/|^mesh/src/routes/(?!aes-seal|index)|^controller/src/translate/|/(?:decide|admit|match|translate)[^/]*\\.ts$' +
  '|^mesh/src/hbone/(?:frame-|hpack-|huffman|flow-control|flush-threshold|connect-headers|abuse-guard|limits)[^/]*\\.ts$' +
  '|^mesh/src/http2/(?:errors|limits|head|field-|line-|interpret-|reasons)[^/]*\\.ts$' +
  '|^cni/src/(?:redirect/(?:ruleset|excluded-conditions|locked-egress)|install/conflist-text|enrol/desired-pods)\\.ts$|^controller/src/push/delta\\.ts$|^controller/src/json\\.ts$' +
  '|^node-agent/src/proxy/(?:outbound-route|next-hop|inbound-admission|illegal-ports|load-balance)[^/]*\\.ts$|^mesh/src/grpc/refresh-schedule\\.ts$';

/** A third-party package, where it may be imported, and what it is for. docs/internals/dependencies.md is compared with this. */
export interface Library {
  readonly name: string;
  readonly purpose: string;
  /** Folder, as the documentation shows it; every file below it may import the package. */
  readonly onlyIn: readonly string[];
  readonly licence: string;
}

/** Everything a process loads at run time (D6). */
export const LIBRARIES: readonly Library[] = [
  {
    name: '@bufbuild/protobuf',
    purpose: 'protobuf messages',
    onlyIn: ['mesh/src/wire', 'mesh/src/route-wire', 'mesh/src/grpc'],
    licence: 'Apache-2.0 AND BSD-3-Clause',
  },
  {
    name: '@grpc/grpc-js',
    purpose: 'xDS and CA streams',
    onlyIn: ['mesh/src/grpc', 'test/e2e/load'],
    licence: 'Apache-2.0',
  },
  {
    name: '@kubernetes/client-node',
    purpose: 'kubeconfig files and their credential providers',
    onlyIn: ['mesh/src/kube'],
    licence: 'Apache-2.0',
  },
  {
    name: 'dns-packet',
    purpose: 'reading DNS messages',
    onlyIn: ['node-agent/src/dns', 'node-agent/test'],
    licence: 'MIT',
  },
  { name: 'ipaddr.js', purpose: 'address parsing and CIDR', onlyIn: ['mesh/src/model'], licence: 'MIT' },
  { name: 'koffi', purpose: 'Linux system calls Node lacks', onlyIn: ['mesh/src/linux'], licence: 'MIT' },
  {
    name: 'node-forge',
    purpose: 'ASN.1 and X.509 structures',
    onlyIn: ['mesh/src/tls'],
    licence: 'BSD-3-Clause OR GPL-2.0',
  },
  {
    name: '@opentelemetry/api',
    purpose: 'words of OpenTelemetry for its exporter',
    onlyIn: ['mesh/src/otlp'],
    licence: 'Apache-2.0',
  },
  {
    name: '@opentelemetry/exporter-trace-otlp-http',
    purpose: 'export of traces (OTLP over HTTP)',
    onlyIn: ['mesh/src/otlp'],
    licence: 'Apache-2.0',
  },
  { name: 'pino', purpose: 'logs', onlyIn: ['mesh/src/runtime'], licence: 'MIT' },
  { name: 'prom-client', purpose: 'metrics', onlyIn: ['mesh/src/runtime'], licence: 'Apache-2.0' },
  { name: 're2js', purpose: 'regular expressions in linear time', onlyIn: ['mesh/src/routes'], licence: 'MIT' },
  { name: 'yaml', purpose: 'Kubernetes manifests', onlyIn: ['mesh/src/manifests'], licence: 'ISC' },
];

/** One side of a rule: what a path must and must not match. */
interface Side {
  readonly path?: string;
  readonly pathNot?: string;
}

/** A forbidden import. */
export interface ArchitectureRule {
  readonly name: string;
  readonly reason: string;
  readonly from: Side;
  readonly to: Side & { readonly circular?: true; readonly unresolvable?: true; readonly nodeModule?: true };
  /** Type-only imports vanish at run time; some rules do not care about them. Default: they count. */
  readonly typesAllowed?: true;
}

/** Tests and what only tests use. */
const TEST_CODE = '\\.test\\.ts$|^[^/]+/test/|^test/|^bench/|^scripts/|^mesh/src/testing/';

const appRules: readonly ArchitectureRule[] = APPS.map((app) => ({
  name: `D1-${app}`,
  reason:
    'An app never imports an app: each must be buildable, testable and replaceable alone. Shared code goes into mesh/.',
  from: { path: `^${app}/` },
  to: { path: `^(?:${APPS.filter((other) => other !== app).join('|')})/` },
}));

const layerRules: readonly ArchitectureRule[] = Object.entries(MESH_LAYERS).map(([layer, below]) => ({
  name: `D2-${layer}`,
  reason: `mesh/src/${layer} may import only ${below.length === 0 ? 'itself' : below.join(', ')}: layers point downwards, so that a lower one can be understood without a higher one.`,
  from: { path: `^mesh/src/${layer}/`, pathNot: '\\.test\\.ts$' },
  to: { path: '^mesh/src/', pathNot: `^mesh/src/(?:${[layer, ...below].join('|')})/` },
}));

const libraryRules: readonly ArchitectureRule[] = LIBRARIES.map((library) => ({
  name: `D6-${library.name}`,
  reason: `${library.name} is imported in ${library.onlyIn.join(' and ')} only: a library behind one folder can be replaced.`,
  // A test may build with the library what the code under test must read.
  from: { pathNot: `node_modules|\\.test\\.ts$|${library.onlyIn.map((folder) => `^${folder}/`).join('|')}` },
  to: { path: `(?:^|/)node_modules/${library.name.replaceAll('.', '\\.')}/` },
}));

/** D1 to D8. */
export const ARCHITECTURE_RULES: readonly ArchitectureRule[] = [
  ...appRules,
  {
    name: 'D1-mesh',
    reason: 'mesh/ is what the apps share: it never knows one of them.',
    from: { path: '^mesh/' },
    to: { path: `^(?:${APPS.join('|')}|bench|scripts)/` },
  },
  {
    name: 'D1-production',
    reason: 'Production code never imports tests, benches or build scripts.',
    from: { path: `^(?:mesh|${APPS.join('|')})/src/`, pathNot: TEST_CODE },
    to: { path: '^(?:test|bench|scripts)/|\\.test\\.ts$|^[^/]+/test/' },
  },
  ...layerRules,
  {
    name: 'D3-node',
    reason: 'A pure file does no I/O and knows no Node module (types are fine): give it values, return a decision.',
    from: { path: PURE_FILES, pathNot: TEST_CODE },
    to: { nodeModule: true },
    typesAllowed: true,
  },
  {
    name: 'D3-impure',
    reason:
      'A pure file imports only the model, the wire format and pure siblings: no logger, clock, socket or system call.',
    from: { path: PURE_FILES, pathNot: TEST_CODE },
    to: { path: `^(?:mesh|${APPS.join('|')})/src/`, pathNot: PURE_FILES },
    typesAllowed: true,
  },
  {
    name: 'D4-linux',
    reason: 'System calls are for the node agent and the CNI agent; everything else must run without them.',
    from: { pathNot: '^mesh/src/(?:linux|testing)/|^node-agent/|^cni/|^test/e2e/|^bench/' },
    to: { path: '^mesh/src/linux/' },
  },
  {
    name: 'D4-kube',
    reason:
      'Only controller and CNI agent talk to the API server: nobody who takes over a node agent gets its rights there.',
    from: { pathNot: `^mesh/src/(?:kube|testing)/|^controller/|^cni/|${TEST_CODE}` },
    to: { path: '^mesh/src/kube/' },
  },
  {
    name: 'D4-testing',
    reason: 'mesh/testing holds fakes and test certificates: never in a process that ships.',
    from: { pathNot: TEST_CODE },
    to: { path: '^mesh/src/testing/' },
  },
  ...libraryRules,
  {
    name: 'D7-exports',
    reason: 'Outside mesh/ a layer is reachable only through its public face, @ambit/mesh/<layer>.',
    from: { pathNot: '^mesh/' },
    to: { path: '^mesh/src/', pathNot: '^mesh/src/[^/]+/index\\.ts$' },
  },
  {
    name: 'D7-index',
    reason:
      'index.ts is the face for others; inside mesh/ name the file, so that cycles and dead exports stay visible.',
    from: { path: '^mesh/src/', pathNot: TEST_CODE },
    to: { path: '^mesh/src/[^/]+/index\\.ts$' },
  },
  {
    name: 'D8-cycle',
    reason: 'No import cycles (types aside): neither file can be understood or tested first.',
    from: {},
    to: { circular: true },
    typesAllowed: true,
  },
  {
    name: 'D8-unresolvable',
    reason: 'An import that cannot be resolved is checked by no other rule.',
    from: {},
    to: { unresolvable: true },
  },
];

/** A checker that sees nothing reports success: fewer modules of ours than this is a failure of the check itself (D8). */
export const MODULE_COUNT_MIN = 400;
