import assert from 'node:assert/strict';
import https from 'node:https';
import tls from 'node:tls';
import { test } from 'node:test';
import { Metrics, silentLogger, systemClock } from '@ambit/mesh/runtime';
import { checkLeaks, createTestCa, type TestCa } from '@ambit/mesh/testing';
import { own, worldOf } from '../../test/policy-objects.ts';
import type { PolicyWorld } from '../status/policy-world.ts';
import type { HttpsServer } from '../https-server.ts';
import { openAdmissionServer } from './admission-server.ts';
import { ADMISSION_LIMITS } from './limits.ts';
import { createAdmissionMetrics } from './metrics.ts';

checkLeaks();

const NAME = 'ambit-controller.ambit-system.svc';

function certificate(ca: TestCa): { readonly privateKeyPem: string; readonly chainPem: string } {
  return ca.issueCertificate({ altNames: [{ kind: 'dns', value: NAME }], purposes: ['server'] });
}

function open(ca: TestCa, metrics = new Metrics(), world = (): PolicyWorld => worldOf([])): Promise<HttpsServer> {
  const tlsOptions = certificate(ca);
  return openAdmissionServer({
    host: '127.0.0.1',
    port: 0,
    tls: tlsOptions,
    world,
    clock: systemClock,
    logger: silentLogger,
    metrics: createAdmissionMetrics(metrics),
  });
}

interface Question {
  readonly path?: string;
  readonly method?: string;
  readonly body?: string | Buffer;
}

function ask(server: HttpsServer, ca: TestCa, question: Question = {}): Promise<readonly [number, string]> {
  return new Promise((resolve, reject) => {
    const request = https.request(
      {
        host: '127.0.0.1',
        port: server.port,
        servername: NAME,
        ca: ca.rootPem,
        agent: false,
        path: question.path ?? '/validate?timeout=5s',
        method: question.method ?? 'POST',
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve([response.statusCode ?? 0, text])).on('error', reject);
      },
    );
    request.on('error', reject).end(question.body);
  });
}

function review(spec: Readonly<Record<string, unknown>>): string {
  const request = {
    uid: 'the-uid',
    kind: { group: 'ambit.dev', version: 'v1alpha1', kind: 'AccessPolicy' },
    operation: 'CREATE',
    object: own('AccessPolicy', 'shop', 'p', spec),
  };
  return JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request });
}

test('the webhook answers reviews with the request uid, a refusal or warnings', async () => {
  const ca = createTestCa();
  const metrics = new Metrics();
  await using server = await open(ca, metrics);
  const answers = async (spec: Readonly<Record<string, unknown>>): Promise<unknown> => {
    const [status, text] = await ask(server, ca, { body: review(spec) });
    assert.equal(status, 200);
    return JSON.parse(text);
  };
  const envelope = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' };
  assert.deepEqual(await answers({ action: 'Allow' }), {
    ...envelope,
    response: {
      uid: 'the-uid',
      allowed: true,
      warnings: ['attached to nothing: no workload is selected by it'],
    },
  });
  assert.deepEqual(await answers({}), {
    ...envelope,
    response: {
      uid: 'the-uid',
      allowed: false,
      status: { code: 422, reason: 'Invalid', message: 'spec.action is missing: expected one of Allow, Deny, Audit' },
    },
  });
  assert.equal(await metrics.value('ambit_admission_reviews_total', ['allowed']), 1);
  assert.equal(await metrics.value('ambit_admission_reviews_total', ['refused']), 1);
  assert.equal(await metrics.value('ambit_admission_warnings_total'), 1);
});

test('the webhook refuses what is no review, and bodies over its limit, and goes on', async () => {
  const ca = createTestCa();
  const metrics = new Metrics();
  await using server = await open(ca, metrics);
  const status = async (question: Question): Promise<number> => (await ask(server, ca, question))[0];
  assert.equal(await status({ path: '/' }), 404);
  assert.equal(await status({ method: 'GET' }), 405);
  assert.equal(await status({ body: 'not json' }), 400);
  assert.equal(await status({ body: '{"kind":"AdmissionReview"}' }), 400);
  const large = ask(server, ca, { body: Buffer.alloc(ADMISSION_LIMITS.bodyBytesMax + 1, ' ') });
  // The answer, or the connection cut while the rest is still being sent.
  await large.then(
    ([code]) => assert.equal(code, 413),
    (error: NodeJS.ErrnoException) => assert.ok(['EPIPE', 'ECONNRESET'].includes(error.code ?? ''), String(error)),
  );
  assert.equal(await status({ body: review({ action: 'Deny' }) }), 200);
  assert.equal(await metrics.value('ambit_admission_reviews_total', ['too-large']), 1);
  assert.equal(await metrics.value('ambit_admission_reviews_total', ['malformed']), 2);
});

test('a review that fails is an error of the webhook, so that the failure policy decides', async () => {
  const ca = createTestCa();
  const metrics = new Metrics();
  await using server = await open(ca, metrics, () => {
    throw new Error('world is not there');
  });
  assert.equal((await ask(server, ca, { body: review({ action: 'Deny' }) }))[0], 500);
  assert.equal(await metrics.value('ambit_admission_reviews_total', ['failed']), 1);
});

test('a new certificate holds for new connections, also from another root', async () => {
  const [before, after] = [createTestCa(), createTestCa()];
  await using server = await open(before);
  const body = review({ action: 'Deny' });
  assert.equal((await ask(server, before, { body }))[0], 200);
  await assert.rejects(ask(server, after, { body }), { code: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY' });
  server.updateTls(certificate(after));
  assert.equal((await ask(server, after, { body }))[0], 200);
});

test('disposing the webhook cuts connections that stay open', async () => {
  const ca = createTestCa();
  const server = await open(ca);
  const socket = tls.connect({ host: '127.0.0.1', port: server.port, servername: NAME, ca: ca.rootPem });
  const closed = new Promise((resolve) => socket.on('error', () => {}).once('close', resolve));
  await new Promise((resolve) => socket.once('secureConnect', resolve));
  await server[Symbol.asyncDispose]();
  await closed;
});
