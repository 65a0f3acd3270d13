import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applicationConfig } from './applications.ts';
import { portCaptureRuleset } from './capture.ts';
import { CLIENT_PRINCIPAL, SERVER_PRINCIPAL } from './certificates.ts';
import { ambitConfig, ambitEnvironment } from './peers/ambit-config.ts';
import { envoyClientConfig, envoyServerConfig } from './peers/envoy-config.ts';
import { nginxClientConfig, nginxServerConfig } from './peers/nginx-config.ts';

const CERTIFICATES = { certificate: '/w/leaf.pem', key: '/w/key.pem' };

test('portCaptureRuleset() redirects the given ports outbound and everything but the tunnel inbound', () => {
  const rules = portCaptureRuleset('10.212.0.2', [{ destinationPort: 8080, toPort: 15001 }], [15008, 15009]);
  const lines = rules.split('\n').map((line) => line.trim());
  assert.ok(lines.includes('ip daddr 10.212.0.2 tcp dport 8080 redirect to :15001'));
  assert.ok(lines.includes('meta l4proto tcp iifname != "lo" tcp dport != { 15008, 15009 } redirect to :15006'));
});

test('the Envoy pair checks both principals, logs to the file and speaks TLS 1.3 only', () => {
  const input = { certificates: CERTIFICATES, authority: '/w/ca.pem', accessLog: '/w/access.log', adminPort: 15000 };
  const client = JSON.stringify(envoyClientConfig(input));
  const server = JSON.stringify(envoyServerConfig(input));
  assert.ok(client.includes(`{"san_type":"URI","matcher":{"exact":"${SERVER_PRINCIPAL}"}}`));
  assert.ok(server.includes(`{"authenticated":{"principal_name":{"exact":"${CLIENT_PRINCIPAL}"}}}`));
  assert.ok(server.includes('"require_client_certificate":true'));
  assert.ok(server.includes('{"prefix":"spiffe://cluster.local/"}'), 'TLS admits the trust domain, the policy decides');
  for (const config of [client, server]) {
    assert.ok(config.includes('{"level":1,"name":36,"int_value":1337,"state":"STATE_PREBIND"}'));
    assert.ok(config.includes('"path":"/w/access.log"'));
    assert.ok(config.includes('"tls_minimum_protocol_version":"TLSv1_3"'));
    assert.ok(config.includes('"initial_connection_window_size":16777216'));
  }
});

test('the nginx pair verifies both ends and admits one fingerprint', () => {
  const input = {
    directory: '/w',
    module: '/m.so',
    certificates: CERTIFICATES,
    authority: '/w/ca.pem',
    accessLog: '/w/access.log',
    serverAddress: '10.212.0.2',
    clientFingerprint: 'abcdef',
  };
  const client = nginxClientConfig(input);
  assert.match(client, /proxy_ssl_verify on;/);
  assert.match(client, /listen 0\.0\.0\.0:15001 /);
  assert.match(client, /proxy_pass 10\.212\.0\.2:15008;/);
  const server = nginxServerConfig(input);
  assert.match(server, /ssl_verify_client on;/);
  assert.match(server, /"abcdef" "10\.212\.0\.2:8080";\n\s+default "";/);
});

test('the application answers 1 KiB', () => {
  assert.match(applicationConfig('/w'), /return 200 "y{1024}";/);
});

test('the Ambit agents know both pods, proxy their own and admit the client by principal', () => {
  const input = {
    clientAddress: '10.211.0.2',
    serverAddress: '10.212.0.2',
    certificates: {
      authority: '/w/ca.pem',
      client: CERTIFICATES,
      server: { certificate: '/w/s.pem', key: '/w/s.key' },
    },
    side: 'server' as const,
    netnsPath: '/run/netns/x',
  };
  const text = JSON.stringify(ambitConfig(input));
  const config = parseLocalShape(text);
  assert.deepEqual(
    config.workloads.map((one) => [one['uid'], one['addresses'], one['authorizationPolicies']]),
    [
      ['Kubernetes//Pod/bench/client', ['CtMAAg=='], []],
      ['Kubernetes//Pod/bench/server', ['CtQAAg=='], ['bench/client-may-call']],
    ],
  );
  assert.ok(text.includes('"principals":[{"exact":"cluster.local/ns/bench/sa/client"}]'));
  assert.deepEqual(config.certificates, [{ chain: '/w/s.pem', privateKey: '/w/s.key', roots: '/w/ca.pem' }]);
  assert.deepEqual(
    config.pods.map((pod) => pod['netns']),
    ['/run/netns/x'],
  );
});

test('the Ambit agents inherit nothing but the search path', () => {
  assert.deepEqual(ambitEnvironment({ path: '/bin', configFile: '/w/c.json', accessLog: '/w/a.log' }), {
    PATH: '/bin',
    AMBIT_LOCAL_CONFIG: '/w/c.json',
    AMBIT_ACCESS_LOG: '/w/a.log',
    AMBIT_MESH_CIDRS: '10.211.0.0/16,10.212.0.0/16',
    AMBIT_WORKERS: '1',
  });
});

interface LocalShape {
  readonly workloads: readonly Readonly<Record<string, unknown>>[];
  readonly certificates: readonly unknown[];
  readonly pods: readonly Readonly<Record<string, unknown>>[];
}

function parseLocalShape(text: string): LocalShape {
  return JSON.parse(text) as LocalShape;
}
