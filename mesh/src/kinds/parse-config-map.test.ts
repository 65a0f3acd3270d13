import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestCa } from '../testing/test-ca.ts';
import { certificateBlocks } from './certificate-blocks.ts';
import type { ConfigMap } from './objects.ts';
import { AUTHORITIES_LENGTH_MAX } from './parse-config-map.ts';
import { parseObject } from './parse-object.ts';

const { rootPem, intermediatePem } = createTestCa();

function configMap(content: Readonly<Record<string, unknown>>): ConfigMap {
  const metadata = { name: 'roots', namespace: 'shop', labels: { a: 'b' }, annotations: { c: 'd' } };
  const object = parseObject({ apiVersion: 'v1', kind: 'ConfigMap', metadata, ...content });
  assert.ok(object?.kind === 'ConfigMap');
  return object;
}

test('parseObject() keeps the certificates of a ConfigMap and nothing else of it', () => {
  const { meta, authorities, ...rest } = configMap({
    data: { 'ca.crt': `# ours\n${rootPem}${intermediatePem}${rootPem}`, other: 'x'.repeat(1000) },
    binaryData: { more: 'AAAA' },
  });
  assert.deepEqual(rest, { kind: 'ConfigMap' });
  assert.deepEqual([meta.labels.size, meta.annotations.size, meta.name], [0, 0, 'roots']);
  assert.deepEqual(authorities, { kind: 'pem', pem: rootPem + intermediatePem });
});

test('parseObject() says why a ConfigMap has no certificates', () => {
  const table: readonly (readonly [content: Readonly<Record<string, unknown>>, reason: string])[] = [
    [{}, 'it has no text under key ca.crt'],
    [{ data: { 'CA.crt': rootPem } }, 'it has no text under key ca.crt'],
    [{ data: { 'ca.crt': 5 } }, 'it has no text under key ca.crt'],
    [{ data: { 'ca.crt': 'x'.repeat(AUTHORITIES_LENGTH_MAX + 1) } }, 'its ca.crt is longer than 524288 characters'],
    [{ data: { 'ca.crt': '' } }, 'its ca.crt is not made of certificates in PEM'],
    [
      { data: { 'ca.crt': rootPem.replaceAll('CERTIFICATE', 'PRIVATE KEY') } },
      'its ca.crt is not made of certificates in PEM',
    ],
  ];
  for (const [content, reason] of table) assert.deepEqual(configMap(content).authorities, { kind: 'none', reason });
});

test('certificateBlocks() gives every block in one form, or nothing when one is no certificate', () => {
  const [, body = ''] = /-----\n([^-]+)-----/.exec(rootPem) ?? [];
  const flat = rootPem.replace(body, body.replaceAll('\n', ''));
  assert.deepEqual(certificateBlocks(flat), [rootPem]);
  assert.deepEqual(certificateBlocks(rootPem.replaceAll('\n', '\r\n')), [rootPem]);
  for (const broken of [
    body.slice(0, -8),
    body.slice(4),
    `${body}AAAA`,
    `${body.trim().replace(/=*$/, '')}==AAAA`,
    'bm90IGEgY2VydGlmaWNhdGU=',
  ]) {
    assert.equal(certificateBlocks(rootPem + rootPem.replace(body, broken)), null, broken);
  }
});
