import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildInCache, type RunGo } from '../../interop/go-cache.ts';

const SOURCE = fileURLToPath(new URL('go/', import.meta.url));
const SUITE = 'sigs.k8s.io/gateway-api/conformance';
const PROGRAM = 'conformance.test';

/** Builds Gateway API's conformance suite as it stands, unless it is there. Resolves with the program. */
export async function buildSuite(cacheDirectory: string, say: (line: string) => void): Promise<string> {
  const build = async (go: RunGo, directory: string): Promise<void> => {
    await go('test', '-c', '-trimpath', '-ldflags=-s -w', '-o', join(directory, PROGRAM), SUITE);
  };
  const wanted = { source: SOURCE, cacheDirectory, programs: [PROGRAM], takes: 'about 2 minutes', build };
  return join(await buildInCache(wanted, say), PROGRAM);
}

/** Profiles that a mesh may claim. */
const PROFILES = ['MESH-HTTP', 'MESH-GRPC'];

/** Tests of the suite that are for meshes, each with the features that it needs besides Mesh. All of them must pass. */
export const MESH_TESTS: Readonly<Record<string, readonly string[]>> = {
  MeshBasic: [],
  MeshConsumerRoute: ['HTTPRoute', 'MeshConsumerRoute', 'HTTPRouteResponseHeaderModification'],
  MeshFrontend: ['HTTPRoute', 'HTTPRouteResponseHeaderModification'],
  MeshFrontendHostname: ['HTTPRoute', 'MeshClusterIPMatching', 'HTTPRouteResponseHeaderModification'],
  MeshGRPCRouteWeight: ['GRPCRoute'],
  MeshHTTPRoute303Redirect: ['HTTPRoute', 'HTTPRoute303RedirectStatusCode'],
  MeshHTTPRoute307Redirect: ['HTTPRoute', 'HTTPRoute307RedirectStatusCode'],
  MeshHTTPRoute308Redirect: ['HTTPRoute', 'HTTPRoute308RedirectStatusCode'],
  MeshHTTPRouteBackendRequestHeaderModifier: ['HTTPRoute', 'MeshHTTPRouteBackendRequestHeaderModification'],
  MeshHTTPRouteMatching: ['HTTPRoute'],
  MeshHTTPRouteNamedRule: ['HTTPRoute', 'MeshHTTPRouteNamedRouteRule'],
  MeshHTTPRouteQueryParamMatching: ['HTTPRoute', 'MeshHTTPRouteQueryParamMatching'],
  MeshHTTPRouteRedirectHostAndStatus: ['HTTPRoute'],
  MeshHTTPRouteRedirectPath: ['HTTPRoute', 'MeshHTTPRouteRedirectPath'],
  MeshHTTPRouteRedirectPort: ['HTTPRoute', 'MeshHTTPRouteRedirectPort'],
  MeshHTTPRouteRequestHeaderModifier: ['HTTPRoute'],
  MeshHTTPRouteRewritePath: ['HTTPRoute', 'MeshHTTPRouteRewritePath'],
  MeshHTTPRouteSchemeRedirect: ['HTTPRoute', 'MeshHTTPRouteSchemeRedirect'],
  MeshHTTPRouteSimpleSameNamespace: ['HTTPRoute'],
  MeshHTTPRouteWeight: ['HTTPRoute'],
  MeshPorts: ['HTTPRoute', 'HTTPRouteParentRefPort', 'HTTPRouteResponseHeaderModification'],
  MeshTrafficSplit: ['HTTPRoute'],
};

/** What the run claims to support: the suite skips the tests of everything else. */
export function claimedFeatures(): readonly string[] {
  return [...new Set(['Mesh', ...Object.values(MESH_TESTS).flat()])].toSorted();
}

export interface SuiteOptions {
  readonly version: string;
  /** Labels of the suite's namespaces. */
  readonly namespaceLabels: Readonly<Record<string, string>>;
  /** Where the report is written, YAML. */
  readonly report: string;
  /** One test only, and then nothing can be concluded from the report. */
  readonly only?: string;
}

/** Arguments of the suite's program. */
export function suiteArguments({ version, namespaceLabels, report, only }: SuiteOptions): readonly string[] {
  const labels = Object.entries(namespaceLabels).map(([name, value]) => `${name}=${value}`);
  return [
    ...['-test.run=^TestConformance$', '-test.timeout=30m', '-test.v'],
    // Our own tests after it need its pods.
    '--cleanup-base-resources=false',
    `--conformance-profiles=${PROFILES.join(',')}`,
    `--supported-features=${claimedFeatures().join(',')}`,
    `--namespace-labels=${labels.join(',')}`,
    ...(only === undefined ? [] : [`--run-test=${only}`]),
    ...['--organization=ambit', '--project=ambit', '--url=https://ambit.dev', '--contact=conformance@ambit.dev'],
    ...[`--version=${version}`, `--report-output=${report}`],
  ];
}

/** Names of mesh tests that a run must account for: those listed here, and any that the suite has besides. */
export function expectedTests(outcomes: ReadonlyMap<string, unknown>): readonly string[] {
  const found = [...outcomes.keys()].filter((name) => name.startsWith('Mesh'));
  return [...new Set([...Object.keys(MESH_TESTS), ...found])].toSorted();
}

export type Outcome = 'passed' | 'failed' | 'skipped';

/** What became of each test of the suite, by what its program printed. */
export function outcomesIn(output: string): ReadonlyMap<string, Outcome> {
  const words: Readonly<Record<string, Outcome>> = { PASS: 'passed', FAIL: 'failed', SKIP: 'skipped' };
  const outcomes = new Map<string, Outcome>();
  for (const [, word = '', name = ''] of output.matchAll(/^ +--- (PASS|FAIL|SKIP): TestConformance\/(\w+) \(/gm)) {
    const outcome = words[word];
    if (outcome !== undefined) outcomes.set(name, outcome);
  }
  return outcomes;
}
