import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type AccessPolicy, parseIpAddress, parsePort, type Probe, type Workload } from '@ambit/mesh/model';
import { buildPolicy, buildWorkload } from '@ambit/mesh/testing';
import { address, allowedTo, denied, refused503, viewOf } from '../../test/inbound-decision.ts';
import { admitPlaintext, type InboundConnection } from './inbound-admission.ts';

describe('admitPlaintext()', () => {
  const workload = buildWorkload({ policies: ['mesh/strict'] });
  const strict = buildPolicy({
    name: 'strict',
    namespace: 'mesh',
    scope: 'workload',
    action: 'deny',
    match: [{ notPrincipals: ['*'] }],
  });
  const plaintext = (destination: string): InboundConnection & { readonly peer: null } => ({
    source: address('10.9.9.9:1'),
    destination: address(destination),
    peer: null,
  });

  test('keeps the original destination of an admitted connection', () => {
    const open = buildWorkload();
    assert.deepEqual(admitPlaintext(viewOf({ workloads: [open] }), open, plaintext('10.0.0.1:8080'), []), {
      ...allowedTo('10.0.0.1:8080'),
      workload: open,
    });
  });

  test('has no identity: strict mutual TLS refuses it', () => {
    const view = viewOf({ workloads: [workload], policies: [strict] });
    assert.deepEqual(admitPlaintext(view, workload, plaintext('10.0.0.1:8080'), []), {
      ...denied('deny-policy-matched', { policy: 'mesh/strict' }),
      workload,
    });
  });

  test('an ALLOW policy for everybody with an identity does not admit it', () => {
    const open = buildWorkload();
    const view = viewOf({ workloads: [open], policies: [buildPolicy({ match: [{ principals: ['*'] }] })] });
    assert.deepEqual(admitPlaintext(view, open, plaintext('10.0.0.1:8080'), []), {
      ...denied('no-allow-policy-matched'),
      workload: open,
    });
  });

  test('refuses while a policy or the workload is missing', () => {
    assert.deepEqual(admitPlaintext(viewOf({ workloads: [workload] }), workload, plaintext('10.0.0.1:8080'), []), {
      ...denied('policy-not-received', { policy: 'mesh/strict' }),
      workload,
    });
    assert.deepEqual(
      admitPlaintext(viewOf({}), undefined, plaintext('10.0.0.1:8080'), []),
      refused503('unknown-workload'),
    );
  });

  for (const port of [15001, 15006, 15008]) {
    test(`refuses the agent's own port ${port}`, () => {
      const open = buildWorkload();
      assert.deepEqual(admitPlaintext(viewOf({ workloads: [open] }), open, plaintext(`10.0.0.1:${port}`), []), {
        ...refused503('illegal-port'),
        workload: open,
      });
    });
  }
});

describe('admitPlaintext() from the node', () => {
  const NODE = '192.0.2.1';
  const http: Probe = {
    kind: 'http',
    port: parsePort(8080),
    timeoutMs: 1000,
    target: '/healthz',
    secure: false,
    headers: [],
  };
  const tcp: Probe = { kind: 'tcp', port: parsePort(9090), timeoutMs: 1000 };
  const strict = buildPolicy({ name: 'strict', action: 'deny', match: [{ notPrincipals: ['*'] }] });
  const probed = (nodeAddresses: readonly string[]): Workload =>
    buildWorkload({ probes: { nodeAddresses: nodeAddresses.map(parseIpAddress), probes: [http, tcp] } });

  interface Row {
    readonly what: string;
    readonly workload: Workload;
    readonly source?: string;
    readonly port?: number;
    readonly announced?: readonly string[];
    readonly policies?: readonly AccessPolicy[];
    readonly others?: readonly Workload[];
    readonly expected: string;
  }
  const rows: readonly Row[] = [
    { what: 'a declared port', workload: probed([NODE]), expected: 'probe http' },
    { what: 'another declared port', workload: probed([NODE]), port: 9090, expected: 'probe tcp' },
    { what: 'a port that is not declared', workload: probed([NODE]), port: 8081, expected: 'deny-policy-matched' },
    { what: 'the tunnel port', workload: probed([NODE]), port: 15008, expected: 'illegal-port' },
    { what: 'policy that allows', workload: probed([NODE]), policies: [], expected: 'allowed' },
    {
      what: 'an ALLOW policy for others',
      workload: probed([NODE]),
      policies: [buildPolicy({ match: [{ principals: ['*'] }] })],
      expected: 'probe http',
    },
    { what: 'another address', workload: probed([NODE]), source: '192.0.2.2', expected: 'deny-policy-matched' },
    {
      what: 'an address that the CNI agent announced',
      workload: probed([]),
      announced: [NODE],
      expected: 'probe http',
    },
    { what: 'no address of the node known', workload: probed([]), expected: 'deny-policy-matched' },
    { what: 'no probes', workload: buildWorkload(), announced: [NODE], expected: 'deny-policy-matched' },
    {
      what: 'an address that is taken for the node and is a pod',
      workload: probed([NODE]),
      others: [buildWorkload({ name: 'other', addresses: [NODE] })],
      expected: 'deny-policy-matched',
    },
    {
      what: 'a pod in the network of the host, which has the address of the node',
      workload: probed([NODE]),
      others: [buildWorkload({ name: 'host', addresses: [NODE], networkMode: 'host-network' })],
      expected: 'probe http',
    },
  ];
  for (const { what, workload, source = NODE, port = 8080, announced = [], policies = [strict], ...row } of rows) {
    test(`${what}: ${row.expected}`, () => {
      const view = viewOf({ workloads: [workload, ...(row.others ?? [])], policies });
      const connection = { source: address(`${source}:1`), destination: address(`10.0.0.1:${port}`), peer: null };
      const admission = admitPlaintext(view, workload, connection, announced.map(parseIpAddress));
      const shown =
        admission.kind === 'probe'
          ? `probe ${admission.probes.map(({ kind }) => kind).join()}`
          : admission.kind === 'refused'
            ? admission.reason
            : admission.kind;
      assert.equal(shown, row.expected);
    });
  }

  test('is given with the port, the probes and why it is no more', () => {
    const workload = probed([NODE]);
    const connection = { source: address(`${NODE}:1`), destination: address('10.0.0.1:8080'), peer: null };
    const view = viewOf({ workloads: [workload], policies: [strict] });
    assert.deepEqual(admitPlaintext(view, workload, connection, []), {
      kind: 'probe',
      workload,
      policyTarget: address('10.0.0.1:8080'),
      probes: [http],
      reason: 'deny-policy-matched',
      decision: { verdict: 'deny', reason: 'deny-policy-matched', policy: 'shop/strict', dryRun: [] },
    });
  });
});
