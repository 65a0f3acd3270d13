import type { Mutation } from './mutation.ts';

const inFile =
  (file: string) =>
  (find: string, replace: string): Mutation => ({
    ...{ area: 'fields', file, find, replace },
    tests: ['test/e2e/fields/fields.test.ts'],
  });

const translate = (file: string): ReturnType<typeof inFile> => inFile(`controller/src/translate/${file}`);
const resolve = translate('resolve-backend.ts');
const attach = translate('attach-route.ts');
const tlsPolicy = translate('choose-tls-policy.ts');
const authorities = translate('resolve-authorities.ts');
const service = translate('service-from-service.ts');
const routes = translate('routes-of-service.ts');
const machine = translate('workload-from-external-workload.ts');
const binding = translate('decide-waypoint-binding.ts');
const policy = inFile('mesh/src/kinds/request-policy.ts');
const cluster = inFile('waypoint/src/upstream/cluster-table.ts');

/** Fields of manifests that are lost on their way to a waypoint. */
export const FIELDS_MUTATIONS: readonly Mutation[] = [
  resolve('world.service(ref.namespace, part.service);', 'world.service(route.meta.namespace, part.service);'),
  attach('ref.sectionName === null || ref.sectionName === called', 'true'),
  tlsPolicy(' && target.sectionName === section', ''),
  authorities('altNames: validation.subjectAltNames', 'altNames: []'),
  service("service.publishNotReadyAddresses ? 'allow-all' : 'only-healthy'", "'only-healthy'"),
  service("if (service.internalTrafficPolicy === 'Local')", "if (service.type === 'ExternalName')"),
  routes("route.kind === 'TLSRoute' ? route.hostnames : []", '[]'),
  routes('    weight,', '    weight: 1,'),
  machine("external.ready ? 'healthy' : 'unhealthy'", "'healthy'"),
  machine('capacity: external.weight', 'capacity: 1'),
  binding("return from.kind === 'all' ||", "return from.kind === 'none' ||"),
  policy('destinationPorts: ports, ', ''),
  policy('    dryRun,', '    dryRun: false,'),
  cluster('version !== null && workload.canonicalRevision', 'workload.canonicalRevision === null && workload.uid'),
];
