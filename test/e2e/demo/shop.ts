import type { PlannedCall } from './act-calls.ts';
import type { OutageTarget } from './act-outage.ts';
import type { PolicyTarget } from './act-policy.ts';
import type { WireTarget } from './act-wire.ts';
import { CANARY_ENROLLED } from './canary.ts';

/** Addresses of examples/shop. */
const POD = {
  catalog1: '10.10.1.11',
  payments: '10.10.1.12',
  cart: '10.10.2.12',
  cartV6: 'fd10:10:2::12',
  ordersDb: '10.10.2.14',
  reports: '10.10.2.20',
  nobody: '10.10.2.99',
} as const;
const SERVICE = { catalog: '10.20.0.2', payments: '10.20.0.3', ordersDb: '10.20.0.6' } as const;

export const MESH_RANGES: readonly string[] = ['10.10.0.0/16', 'fd10:10::/32', '10.20.0.0/16', 'fd10:20::/64'];

export const ENROLLED: readonly string[] = [
  'shop/storefront',
  'shop/catalog-1',
  'shop/catalog-2',
  'shop/payments',
  'shop/cart',
  'shop/checkout',
  'shop/orders-db',
];

const http = (ip: string, port: number, path = '/'): PlannedCall['request'] => ({
  op: 'http',
  ip,
  port,
  path,
  timeoutMs: 8000,
});
const line = (ip: string, port: number): PlannedCall['request'] => ({
  op: 'line',
  ip,
  port,
  line: 'select 1',
  timeoutMs: 8000,
});

const ALLOW_LIST = /polic|allow/i;
const IDENTITY = /polic|identity|strict|plaintext/i;

export const CALLS: readonly PlannedCall[] = [
  { caller: 'storefront', callee: 'service catalog', request: http(SERVICE.catalog, 80, '/items'), expect: 'allowed' },
  { caller: 'cart', callee: 'service catalog', request: http(SERVICE.catalog, 80, '/items'), expect: 'allowed' },
  { caller: 'storefront', callee: 'cart, over IPv6', request: http(POD.cartV6, 8080), expect: 'allowed' },
  { caller: 'checkout', callee: 'service payments', request: http(SERVICE.payments, 80, '/charge'), expect: 'allowed' },
  {
    caller: 'storefront',
    callee: 'payments',
    request: http(POD.payments, 8080, '/charge'),
    expect: 'refused',
    reason: ALLOW_LIST,
  },
  { caller: 'cart', callee: 'service orders-db (TCP)', request: line(SERVICE.ordersDb, 5432), expect: 'allowed' },
  {
    caller: 'storefront',
    callee: 'orders-db (TCP)',
    request: line(POD.ordersDb, 5432),
    expect: 'refused',
    reason: ALLOW_LIST,
  },
  {
    caller: 'scanner',
    callee: 'payments, plaintext',
    request: http(POD.payments, 8080),
    expect: 'refused',
    reason: IDENTITY,
  },
  {
    caller: 'reports',
    callee: 'catalog-1, plaintext',
    request: http(POD.catalog1, 8080),
    expect: 'refused',
    reason: IDENTITY,
  },
  { caller: 'storefront', callee: 'reports, outside the mesh', request: http(POD.reports, 8080), expect: 'allowed' },
  {
    caller: 'storefront',
    callee: 'an unknown pod address',
    request: http(POD.nobody, 8080),
    expect: 'refused',
    reason: /not known/i,
  },
];

export const WIRE: WireTarget = {
  caller: 'storefront',
  callee: 'cart',
  calleeIp: POD.cart,
  calleePort: 8080,
  enrolled: ENROLLED,
  enrolledBefore: CANARY_ENROLLED,
};

export const POLICY: PolicyTarget = {
  caller: 'cart',
  calleeIp: POD.ordersDb,
  calleePort: 5432,
  calleeHost: 'host-b',
  file: 'policy-orders-db.yaml',
  find: '[cart, checkout]',
  replace: '[checkout]',
};

const OUTAGE_MARKER = 'CARD-4111-1111-1111-1111 ';
const marked = (ip: string): PlannedCall['request'] => ({
  op: 'http',
  ip,
  port: 8080,
  path: '/',
  body: OUTAGE_MARKER,
  bodyBytes: 4096,
  timeoutMs: 1500,
});

export const OUTAGE: OutageTarget = {
  host: 'host-b',
  inward: { caller: 'storefront', request: marked(POD.cart) },
  outward: { caller: 'cart', request: marked(POD.catalog1) },
  marker: OUTAGE_MARKER.trim(),
};
