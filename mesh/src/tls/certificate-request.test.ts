import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { altNameExtension } from './alt-name.ts';
import { type Asn1, bitString, existing, explicit, integer, oid, sequence, set, toDer } from './asn1-structure.ts';
import { signStructure } from './certificate-builder.ts';
import {
  CERTIFICATE_REQUEST_BYTES_MAX,
  createCertificateRequest,
  parseCertificateRequest,
  requestToPem,
} from './certificate-request.ts';
import { createKeyPairSync, type KeyPair, publicKeyToDer } from './key-pair.ts';

const uri = 'spiffe://cluster.local/ns/shop/sa/web';
const keyPair = createKeyPairSync();
const SEED = 20261121;

function namesAttribute(...names: Parameters<typeof altNameExtension>[0]): Asn1 {
  return sequence(oid('1.2.840.113549.1.9.14'), set(sequence(altNameExtension(names, true))));
}

function requestBody(key: Uint8Array, ...attributes: readonly Asn1[]): Asn1 {
  return sequence(integer(Uint8Array.of(0)), sequence(), existing(key), explicit(0, ...attributes));
}

function signedRequest(pair: KeyPair, ...attributes: readonly Asn1[]): string {
  return requestToPem(signStructure(requestBody(publicKeyToDer(pair.publicKey), ...attributes), pair.privateKey));
}

function outcome(pem: string): string {
  const parsed = parseCertificateRequest(pem);
  return parsed.kind === 'parsed' ? `parsed ${parsed.uri ?? 'without name'}` : parsed.reason;
}

test('parseCertificateRequest() gives back the key and name that createCertificateRequest() was given', () => {
  const parsed = parseCertificateRequest(createCertificateRequest({ keyPair, uri }));
  assert.equal(parsed.kind, 'parsed');
  assert.equal(parsed.uri, uri);
  assert.deepEqual(publicKeyToDer(parsed.publicKey), publicKeyToDer(keyPair.publicKey));
});

test('parseCertificateRequest() accepts a request without names', () => {
  assert.equal(outcome(createCertificateRequest({ keyPair })), 'parsed without name');
});

test('parseCertificateRequest() refuses with the reason', () => {
  const good = createCertificateRequest({ keyPair, uri });
  const der = Buffer.from(good.replace(/-----[^-]+-----/g, ''), 'base64');
  const other = createKeyPairSync();
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = publicKeyToDer(keyPair.publicKey);
  const offCurve = Buffer.from(key);
  offCurve[key.length - 1] = (offCurve.at(-1) ?? 0) ^ 1;
  const body = requestBody(key, namesAttribute({ kind: 'uri', value: uri }));
  const sha384 = sequence(
    body,
    sequence(oid('1.2.840.10045.4.3.3')),
    bitString(sign('sha384', toDer(body), keyPair.privateKey)),
  );
  const table: Readonly<Record<string, readonly [string, string]>> = {
    empty: ['', 'not-pem'],
    'other label': [good.replaceAll('CERTIFICATE REQUEST', 'CERTIFICATE'), 'not-pem'],
    'two blocks': [good + good, 'not-pem'],
    'text around': [`hello\n${good}`, 'not-pem'],
    'too large': [' '.repeat(CERTIFICATE_REQUEST_BYTES_MAX) + good, 'request-too-large'],
    truncated: [requestToPem(der.subarray(0, -1)), 'malformed-request'],
    'bytes behind': [requestToPem(Buffer.concat([der, Buffer.of(0)])), 'malformed-request'],
    'P-384 key': [signedRequest(p384), 'not-p256'],
    'RSA key': [signedRequest(rsa), 'not-p256'],
    'point off the curve': [requestToPem(signStructure(requestBody(offCurve), keyPair.privateKey)), 'not-p256'],
    'SHA-384 signature': [requestToPem(toDer(sha384)), 'not-ecdsa-sha256'],
    'signed by another key': [requestToPem(signStructure(body, other.privateKey)), 'bad-signature'],
    'two URI names': [
      signedRequest(keyPair, namesAttribute({ kind: 'uri', value: uri }, { kind: 'uri', value: `${uri}2` })),
      'several-uri-names',
    ],
    'a DNS name': [
      signedRequest(keyPair, namesAttribute({ kind: 'uri', value: uri }, { kind: 'dns', value: 'localhost' })),
      'other-names',
    ],
    'names in two attributes': [
      signedRequest(keyPair, namesAttribute({ kind: 'uri', value: uri }), namesAttribute({ kind: 'uri', value: uri })),
      'malformed-request',
    ],
  };
  const outcomes = Object.fromEntries(Object.entries(table).map(([what, [pem]]) => [what, outcome(pem)]));
  assert.deepEqual(outcomes, Object.fromEntries(Object.entries(table).map(([what, [, reason]]) => [what, reason])));
});

test('parseCertificateRequest() never accepts a request of which one byte was changed', () => {
  const good = Buffer.from(createCertificateRequest({ keyPair, uri }).replace(/-----[^-]+-----/g, ''), 'base64');
  for (let at = 0; at < good.length; at++) {
    for (const flip of [0x01, 0x80, 0xff]) {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] ?? 0) ^ flip;
      assert.equal(parseCertificateRequest(requestToPem(bad)).kind, 'refused', `byte ${at}`);
    }
  }
});

test('parseCertificateRequest() refuses arbitrary bytes and never throws', () => {
  const pems = fc.oneof(
    fc.string({ maxLength: 4096 }),
    fc.uint8Array({ maxLength: 1024 }).map((bytes) => requestToPem(bytes)),
  );
  fc.assert(
    fc.property(pems, (pem) => parseCertificateRequest(pem).kind === 'refused'),
    { seed: SEED, numRuns: 2000 },
  );
});

const openssl = spawnSync('openssl', ['version']);

test('openssl reads and verifies our requests', {
  skip: openssl.status === 0 ? false : 'openssl is not installed',
}, () => {
  const result = spawnSync('openssl', ['req', '-verify', '-noout', '-text'], {
    input: createCertificateRequest({ keyPair, uri }),
    encoding: 'utf8',
  });
  assert.equal(result.status, 0, result.stderr);
  assert.match(result.stdout, /Subject: *\n/);
  assert.match(result.stdout, new RegExp(`URI:${uri}`));
  assert.match(result.stdout + result.stderr, /verify OK/i);
});

test('parseCertificateRequest() accepts what openssl makes', {
  skip: openssl.status === 0 ? false : 'openssl is not installed',
}, () => {
  const result = spawnSync(
    'openssl',
    [
      'req',
      '-new',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-keyout',
      '-',
      '-subj',
      '/CN=x',
      '-sha256',
      '-addext',
      `subjectAltName=URI:${uri}`,
    ],
    { encoding: 'utf8' },
  );
  const request = /-----BEGIN CERTIFICATE REQUEST-----[^-]+-----END CERTIFICATE REQUEST-----/.exec(result.stdout);
  assert.ok(request, result.stderr);
  assert.equal(outcome(request[0]), `parsed ${uri}`);
});
