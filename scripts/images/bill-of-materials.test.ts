import assert from 'node:assert/strict';
import { test } from 'node:test';
import { billOfMaterials, parseDebianStatus } from './bill-of-materials.ts';

test('billOfMaterials: every kind of package, in order of reference, with what tells it apart', () => {
  const bill = billOfMaterials({ name: 'cni', version: '1.2.3' }, [
    { kind: 'npm', name: '@a/b', version: '2.0.0', license: 'MIT' },
    { kind: 'node', name: 'node', version: '24.21.0', parts: [{ name: 'openssl', version: '3.5.1' }] },
    { kind: 'deb', name: 'libstdc++6', version: '1:12-1+b1', architecture: 'amd64' },
  ]);
  const deb = 'pkg:deb/debian/libstdc%2B%2B6@1%3A12-1%2Bb1?arch=amd64';
  const node = 'pkg:generic/node@24.21.0';
  const npm = 'pkg:npm/%40a/b@2.0.0';
  assert.deepEqual(bill, {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      component: {
        type: 'container',
        'bom-ref': 'pkg:oci/cni@1.2.3',
        name: 'ambit/cni',
        version: '1.2.3',
        licenses: [{ license: { id: 'Apache-2.0' } }],
      },
    },
    components: [
      { type: 'library', 'bom-ref': deb, name: 'libstdc++6', version: '1:12-1+b1', purl: deb },
      {
        type: 'platform',
        'bom-ref': node,
        name: 'node',
        version: '24.21.0',
        purl: node,
        cpe: 'cpe:2.3:a:nodejs:node.js:24.21.0:*:*:*:*:*:*:*',
        components: [{ type: 'library', 'bom-ref': `${node}#openssl`, name: 'openssl', version: '3.5.1' }],
      },
      { type: 'library', 'bom-ref': npm, name: '@a/b', version: '2.0.0', purl: npm, licenses: [{ expression: 'MIT' }] },
    ],
    dependencies: [{ ref: 'pkg:oci/cni@1.2.3', dependsOn: [deb, node, npm] }],
  });
});

test('parseDebianStatus reads name, version and machine type', () => {
  const status =
    'Package: nftables\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.0.6-2\nDescription: x\n';
  assert.deepEqual(parseDebianStatus(status), {
    kind: 'deb',
    name: 'nftables',
    version: '1.0.6-2',
    architecture: 'amd64',
  });
  assert.throws(() => parseDebianStatus('Package: nftables\n'), /lacks Package or Version/);
});
