import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseConfig as parseCni, SETTINGS as CNI } from '../../cni/src/config.ts';
import { USAGE } from '../../controller/src/config.ts';
import { createEnvironment } from '../../mesh/src/runtime/index.ts';
import { SETTINGS as NODE_AGENT } from '../../node-agent/src/config.ts';
import { SETTINGS as WAYPOINT } from '../../waypoint/src/config.ts';
import { IMAGES } from '../images/image-list.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TEMPLATES = join(ROOT, 'charts/ambit/templates');
const HELPERS = readFileSync(join(TEMPLATES, '_helpers.tpl'), 'utf8');
const VERSION = /"version": "([^"]+)"/.exec(readFileSync(join(ROOT, 'package.json'), 'utf8'))?.[1];

/** Variables that a template sets, also through the helpers it includes. */
function variablesOf(template: string): readonly string[] {
  const text = readFileSync(join(TEMPLATES, template), 'utf8');
  const included = [...text.matchAll(/include "(ambit\.env\.\w+)"/g)].map(([, name = '']) => {
    return HELPERS.split(`define "${name}"`)[1]?.split('{{- end -}}')[0] ?? '';
  });
  return [text, ...included]
    .flatMap((part) => [...part.matchAll(/- name: (AMBIT_\w+)/g)])
    .map(([, name = '']) => name)
    .sort();
}

interface Component {
  readonly template: string;
  readonly known: readonly string[];
  /** Why the chart leaves a variable at its default. */
  readonly left: Readonly<Record<string, string>>;
}

const FILE_MODE = 'without Kubernetes only';
const OUR_IMAGE = 'a path in our image or a mount of the chart, where the default says';
const COMPONENTS: readonly Component[] = [
  {
    template: 'controller/deployment.yaml',
    known: [...new Set([...USAGE.matchAll(/AMBIT_\w+/g)].map(([name]) => name))],
    left: {
      AMBIT_SERVER_NAMES: FILE_MODE,
      AMBIT_NODE_AGENT_ACCOUNTS: "the default is the chart's account",
      AMBIT_CRL_FILE: "the node agents', for which `revoke` prints a list",
    },
  },
  {
    template: 'node-agent/daemonset.yaml',
    known: NODE_AGENT.map(({ name }) => name),
    left: {
      AMBIT_CONTROLLER_SERVER_NAME: 'every certificate of a controller has that name',
      AMBIT_JOIN_TOKEN_FILE: FILE_MODE,
      AMBIT_STATE_DIR: FILE_MODE,
      AMBIT_LOCAL_CONFIG: FILE_MODE,
      AMBIT_PACKET_MARK: 'must be what the CNI agent writes into the rules',
      AMBIT_ADMIN_ADDRESS: 'on loopback',
      AMBIT_DNS_RESOLV_CONF: "its pod's own",
    },
  },
  {
    template: 'cni/daemonset.yaml',
    known: CNI.map(({ name }) => name),
    left: {
      AMBIT_MANIFESTS: FILE_MODE,
      AMBIT_NETNS_DIR: FILE_MODE,
      AMBIT_ZDS_SOCKET: OUR_IMAGE,
      AMBIT_STATE_DIR: OUR_IMAGE,
      AMBIT_PLUGIN_SOCKET: OUR_IMAGE,
      AMBIT_CNI_PLUGIN: OUR_IMAGE,
      AMBIT_CNI_BIN_DIR: OUR_IMAGE,
      AMBIT_CNI_CONF_DIR: OUR_IMAGE,
      AMBIT_HOST_PROC: OUR_IMAGE,
      AMBIT_HOST_ROOT: OUR_IMAGE,
      AMBIT_PACKET_MARK: "must be the node agent's",
      AMBIT_NODE_AGENT_USERS: 'the chart runs node agents as root',
      AMBIT_REMOVE_ON_EXIT: 'would open every pod when an agent is upgraded',
    },
  },
];

for (const { template, known, left } of COMPONENTS) {
  test(`chart: ${template} sets each variable of its program, or says why not`, () => {
    const set = variablesOf(template);
    assert.deepEqual(
      [...set, ...Object.keys(left).filter((name) => known.includes(name))].sort(),
      known.toSorted(),
      'left: names that are handled; right: names that the program knows',
    );
  });
}

/** Why the controller leaves a variable of a waypoint at its default. */
const LEFT_TO_WAYPOINTS: readonly string[] = [
  ...['AMBIT_LOCAL_CONFIG', 'AMBIT_JOIN_TOKEN_FILE', 'AMBIT_STATE_DIR'], // without Kubernetes only
  ...['AMBIT_CONTROLLER_SERVER_NAME', 'AMBIT_CERTIFICATE_TTL'], // what every controller has
  'AMBIT_MEMORY_LIMIT', // the container's own
  'AMBIT_ADMIN_ADDRESS', // on loopback
];

test('the controller sets each variable of a waypoint, or it is known why not', () => {
  const source = readFileSync(join(ROOT, 'controller/src/reconcile/waypoints/decide-waypoint-objects.ts'), 'utf8');
  const set = [...source.matchAll(/AMBIT_[A-Z_]+/g)].map(([name]) => name).filter((name) => name !== 'AMBIT_DOMAIN');
  assert.deepEqual(
    [...new Set([...set, ...LEFT_TO_WAYPOINTS])].sort(),
    WAYPOINT.map(({ name }) => name).toSorted(),
    'left: names that are handled; right: names that the program knows',
  );
});

test('chart: version and images are those of this repository', () => {
  const chart = readFileSync(join(ROOT, 'charts/ambit/Chart.yaml'), 'utf8');
  assert.deepEqual(
    [...chart.matchAll(/^(?:appVersion|version): (.+)$/gm)].map(([, version]) => version),
    [VERSION, VERSION],
  );
  const used = readdirSync(TEMPLATES, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.yaml'))
    .flatMap((file) => [...readFileSync(join(TEMPLATES, file), 'utf8').matchAll(/"image" "([^"]+)"/g)])
    .map(([, image = '']) => image);
  assert.deepEqual([...new Set(used)].sort(), IMAGES.map(({ name }) => name).sort());
});

interface ValueSchema {
  readonly pattern?: string;
  readonly properties?: Readonly<Record<string, ValueSchema>>;
}

/** Whether the schema of the values takes `text` for the value at `path`. */
function schemaTakes(path: readonly string[], text: string): boolean {
  let schema: ValueSchema = JSON.parse(readFileSync(join(ROOT, 'charts/ambit/values.schema.json'), 'utf8'));
  for (const name of path) schema = schema.properties?.[name] ?? {};
  return new RegExp(schema.pattern ?? assert.fail(`${path.join('.')} has no pattern`)).test(text);
}

/** Whether a CNI agent starts with this setting. */
function agentTakes(name: string, text: string): boolean {
  try {
    parseCni(createEnvironment({ AMBIT_KUBERNETES: 'true', AMBIT_NODE_NAME: 'n', [name]: text }));
    return true;
  } catch {
    return false;
  }
}

for (const { value, variable, good, bad } of [
  {
    value: ['cni', 'enrolmentTimeout'],
    variable: 'AMBIT_ENROLMENT_TIMEOUT',
    good: ['1s', '30s', '100s'],
    bad: ['0s', '101s', '200s', '30'],
  },
  {
    value: ['log', 'level'],
    variable: 'AMBIT_LOG_LEVEL',
    good: ['info', 'off', 'info,access=off,xds=debug'],
    bad: ['trace', 'information', 'info,access', 'info,access=loud'],
  },
]) {
  test(`chart: ${value.join('.')}: helm refuses what the programs would`, () => {
    for (const text of good)
      assert.deepEqual([schemaTakes(value, text), agentTakes(variable, text)], [true, true], text);
    for (const text of bad) {
      assert.deepEqual([schemaTakes(value, text), agentTakes(variable, text)], [false, false], text);
    }
  });
}
