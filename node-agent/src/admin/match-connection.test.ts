import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseSpiffeId } from '@ambit/mesh/model';
import type { ConnectionSummary } from '../worker/worker-protocol.ts';
import { type ConnectionFilter, matchesConnection } from './match-connection.ts';

const NOW = 1_000_000;
const connection: ConnectionSummary = {
  pod: 'uid-1',
  podNamespace: 'shop',
  podName: 'cart-1',
  direction: 'outbound',
  source: '10.0.0.1:40000',
  sourceIdentity: parseSpiffeId('spiffe://cluster.local/ns/shop/sa/cart'),
  destination: '[fd00::2]:15008',
  hboneAddress: '[fd00::9]:80',
  destinationIdentity: parseSpiffeId('spiffe://cluster.local/ns/shop/sa/stock'),
  service: 'stock.shop.svc.cluster.local',
  openedAtMs: NOW - 60_000,
  bytesSent: 700,
  bytesReceived: 300,
};

describe('matchesConnection()', () => {
  const table: readonly (readonly [ConnectionFilter, boolean])[] = [
    [{}, true],
    [{ direction: 'outbound' }, true],
    [{ direction: 'inbound' }, false],
    [{ namespace: 'shop' }, true],
    [{ namespace: 'bank' }, false],
    [{ pod: 'uid-1' }, true],
    [{ pod: 'cart-1' }, true],
    [{ pod: 'cart' }, false],
    [{ identity: 'spiffe://cluster.local/ns/shop/sa/cart' }, true],
    [{ identity: 'spiffe://cluster.local/ns/shop/sa/stock' }, true],
    [{ identity: 'spiffe://cluster.local/ns/shop/sa/sto' }, false],
    [{ service: 'stock.shop.svc.cluster.local' }, true],
    [{ service: 'stock' }, false],
    [{ source: '10.0.0.1' }, true],
    [{ source: '10.0.0.1:40000' }, true],
    [{ source: '10.0.0.1:4000' }, false],
    [{ source: '10.0.0' }, false],
    [{ destination: 'fd00::2' }, true],
    [{ destination: '[fd00::2]' }, true],
    [{ destination: '[fd00::9]:80' }, true],
    [{ destination: 'fd00::3' }, false],
    [{ minAgeMs: 60_000 }, true],
    [{ minAgeMs: 60_001 }, false],
    [{ minBytes: 1000 }, true],
    [{ minBytes: 1001 }, false],
    [{ direction: 'outbound', namespace: 'shop', minBytes: 1001 }, false],
  ];
  for (const [filter, expected] of table) {
    test(`${JSON.stringify(filter)}: ${expected}`, () => {
      assert.equal(matchesConnection(filter, connection, NOW), expected);
    });
  }

  test('a connection without a tunnel has no second destination', () => {
    const plain = { ...connection, hboneAddress: null };
    assert.equal(matchesConnection({ destination: 'fd00::9' }, plain, NOW), false);
  });
});
