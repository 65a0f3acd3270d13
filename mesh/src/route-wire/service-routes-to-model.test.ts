import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { SERVICE_ROUTES } from '../testing/service-routes-example.ts';
import { takenWhenMangled, wireRefusal } from '../testing/wire-refusal.ts';
import type { DiscoveryResource } from '../wire/discovery-messages.ts';
import * as pb from '../wire/gen/ambit/waypoint/v1/routes_pb.ts';
import { encodeServiceRoutes } from './encode-service-routes.ts';
import { ROUTE_WIRE_LIMITS } from './limits.ts';
import { parseServiceRoutes } from './service-routes-to-model.ts';

const RESOURCE: DiscoveryResource = { ...encodeServiceRoutes(SERVICE_ROUTES), version: '1' };

/** The example with `edit` applied to its message. */
function edited(edit: (message: pb.ServiceRoutes) => void): DiscoveryResource {
  const message = fromBinary(pb.ServiceRoutesSchema, RESOURCE.value);
  edit(message);
  return { ...RESOURCE, value: toBinary(pb.ServiceRoutesSchema, message) };
}

const present = <T>(value: T | undefined): T => value ?? assert.fail('the example lacks it');
const portOf = (message: pb.ServiceRoutes): pb.PortRoutes => present(message.ports[0]);

function httpOf(message: pb.ServiceRoutes): pb.HttpRoute {
  const kind = portOf(message).producer?.kind;
  return present(kind?.case === 'http' ? kind.value.routes[0] : undefined);
}

function grpcMatchOf(message: pb.ServiceRoutes): pb.GrpcMatch {
  const kind = portOf(message).consumers[0]?.group?.kind;
  return present(kind?.case === 'grpc' ? kind.value.routes[0]?.rules[0]?.matches[0] : undefined);
}

function streamOf(message: pb.ServiceRoutes): pb.StreamRoute {
  const kind = portOf(message).consumers[1]?.group?.kind;
  return present(kind?.case === 'stream' ? kind.value.routes[0] : undefined);
}

const matchOf = (message: pb.ServiceRoutes): pb.HttpMatch => present(httpOf(message).rules[0]?.matches[0]);
const actionOf = (message: pb.ServiceRoutes, rule = 0): pb.RuleAction => present(httpOf(message).rules[rule]?.action);
const filtersOf = (message: pb.ServiceRoutes): pb.Filters => present(actionOf(message).filters);
const redirectOf = (message: pb.ServiceRoutes): pb.Redirect => present(actionOf(message, 1).filters?.redirect);
const corsOf = (message: pb.ServiceRoutes): pb.Cors => present(filtersOf(message).cors);

const PORT = 'service_routes.ports[0]';
const ROUTE = `${PORT}.producer.http.routes[0]`;
const RULE = `${ROUTE}.rules[0]`;
const ACTION = `${RULE}.action`;
const FILTERS = `${ACTION}.filters`;

test('parseServiceRoutes() gives what was encoded, and that encodes to the same bytes', () => {
  const read = parseServiceRoutes(RESOURCE);
  assert.deepEqual(read, SERVICE_ROUTES);
  assert.deepEqual({ ...encodeServiceRoutes(read), version: '1' }, RESOURCE);
});

test('encodeServiceRoutes() cuts the message of a fault', () => {
  const resource = edited((message) => {
    present(actionOf(message, 2).fault).message = 'x'.repeat(ROUTE_WIRE_LIMITS.faultLength);
  });
  const group = parseServiceRoutes(resource).ports.get(80)?.producer;
  assert.ok(group?.kind === 'http');
  const rules = (group.routes[0]?.rules ?? []).map((rule) =>
    rule.fault === null ? rule : { ...rule, fault: { ...rule.fault, message: `${rule.fault.message}more` } },
  );
  const longer = { ...group, routes: group.routes.map((route) => ({ ...route, rules })) };
  const routes = { ...SERVICE_ROUTES, ports: new Map([[80, { producer: longer, consumers: new Map() }]]) };
  assert.equal(
    wireRefusal(() => parseServiceRoutes({ ...encodeServiceRoutes(routes), version: '2' })),
    'accepted',
  );
});

test('parseServiceRoutes() refuses what is not right in every field, and names it', () => {
  const table: readonly (readonly [refusal: string, edit: (message: pb.ServiceRoutes) => void])[] = [
    ['invalid-field service_routes.service', (m) => void (m.service = 'web')],
    ['invalid-field resource.name', (m) => void (m.service = 'shop/v1.example')],
    ['invalid-field service_routes.ports', (m) => void m.ports.push(portOf(m))],
    [`invalid-field ${PORT}.port`, (m) => void (portOf(m).port = 0)],
    [`invalid-field ${PORT}.port`, (m) => void (portOf(m).port = 65_536)],
    [`invalid-field ${PORT}.producer`, (m) => void (portOf(m).producer = create(pb.RouteGroupSchema))],
    [`invalid-field ${PORT}.consumers`, (m) => void portOf(m).consumers.push(present(portOf(m).consumers[0]))],
    [`invalid-field ${PORT}.consumers[0].namespace`, (m) => void (present(portOf(m).consumers[0]).namespace = '')],
    [`invalid-field ${PORT}.consumers[0].group`, (m) => delete present(portOf(m).consumers[0]).group],
    [
      `invalid-field ${PORT}.producer.http.routes`,
      (m) => void (portOf(m).producer = create(pb.RouteGroupSchema, { kind: { case: 'http', value: { routes: [] } } })),
    ],
    [`invalid-field ${ROUTE}.origin`, (m) => delete httpOf(m).origin],
    [`invalid-field ${ROUTE}.origin`, (m) => void (present(httpOf(m).origin).name = 'a/b')],
    [`invalid-field ${ROUTE}.origin.created_ms`, (m) => void (present(httpOf(m).origin).createdMs = 2n ** 60n)],
    [
      `over-limit ${ROUTE}.rules`,
      (m) => void httpOf(m).rules.push(...Array.from({ length: 14 }, () => present(httpOf(m).rules[0]))),
    ],
    [`invalid-field ${RULE}.matches[0].path`, (m) => void (matchOf(m).path = { case: undefined })],
    [`invalid-field ${RULE}.matches[0].exact_path`, (m) => void (matchOf(m).path = { case: 'exactPath', value: '*' })],
    [
      `invalid-field ${RULE}.matches[0].exact_path`,
      (m) => void (matchOf(m).path = { case: 'exactPath', value: '/a/../b' }),
    ],
    [
      `over-limit ${RULE}.matches[0].exact_path`,
      (m) => void (matchOf(m).path = { case: 'exactPath', value: `/${'a'.repeat(1024)}` }),
    ],
    [
      `invalid-field ${RULE}.matches[0].path_prefix`,
      (m) => void (matchOf(m).path = { case: 'pathPrefix', value: '/a/' }),
    ],
    [
      `invalid-field ${RULE}.matches[0].path_regex`,
      (m) => void (matchOf(m).path = { case: 'pathRegex', value: '(?=a)' }),
    ],
    [
      `over-limit ${RULE}.matches[0].path_regex`,
      (m) => void (matchOf(m).path = { case: 'pathRegex', value: 'a'.repeat(1025) }),
    ],
    [`invalid-field ${RULE}.matches[0].headers`, (m) => void matchOf(m).headers.push(present(matchOf(m).headers[0]))],
    [`invalid-field ${RULE}.matches[0].headers[0].name`, (m) => void (present(matchOf(m).headers[0]).name = 'X')],
    [`invalid-field ${RULE}.matches[0].headers[0].value`, (m) => delete present(matchOf(m).headers[0]).value],
    [
      `invalid-field ${RULE}.matches[0].headers[0].value`,
      (m) => void (present(matchOf(m).headers[0]).value = create(pb.TextMatchSchema)),
    ],
    [
      `invalid-field ${RULE}.matches[0].query_params[0].name`,
      (m) => void (present(matchOf(m).queryParams[0]).name = ''),
    ],
    [`invalid-field ${RULE}.matches[0].method`, (m) => void (matchOf(m).method = 'get')],
    [`invalid-field ${ACTION}`, (m) => delete present(httpOf(m).rules[0]).action],
    [`invalid-field ${ACTION}.name`, (m) => void (actionOf(m).name = '')],
    [`invalid-field ${ACTION}.request_timeout_ms`, (m) => void (actionOf(m).requestTimeoutMs = 2n ** 60n)],
    [`invalid-field ${ACTION}.retry.codes[0]`, (m) => void (present(actionOf(m).retry).codes = [200])],
    [`invalid-field ${ACTION}.retry.attempts`, (m) => void (present(actionOf(m).retry).attempts = 26)],
    [`unknown-enum-value ${ACTION}.session.kind`, (m) => void (present(actionOf(m).session).kind = 0)],
    [
      `invalid-field ${ACTION}.session.permanent`,
      (m) => void (present(actionOf(m).session).kind = pb.SessionKind.HEADER),
    ],
    [`invalid-field ${ACTION}.session.name`, (m) => void (present(actionOf(m).session).name = 'a;b')],
    [
      `unknown-enum-value ${ROUTE}.rules[2].action.fault.reason`,
      (m) => void (present(actionOf(m, 2).fault).reason = 0),
    ],
    [`invalid-field ${ACTION}.backends[0].backend`, (m) => delete present(actionOf(m).backends[0]).backend],
    [`invalid-field ${ACTION}.backends[0].weight`, (m) => void (present(actionOf(m).backends[0]).weight = 1_000_001)],
    [
      `unknown-enum-value ${ACTION}.backends[1].backend.invalid`,
      (m) => void (present(actionOf(m).backends[1]?.backend).kind = { case: 'invalid', value: 0 }),
    ],
    ...['', 'a b'].map((version): readonly [string, (m: pb.ServiceRoutes) => void] => [
      `invalid-field ${ACTION}.backends[0].backend.service.version`,
      (m) =>
        void (present(actionOf(m).backends[0]).backend = create(pb.RouteBackendSchema, {
          kind: { case: 'service', value: { service: 'shop/v1.example', port: 80, version } },
        })),
    ]),
    [
      `invalid-field ${ACTION}.backends[0].backend.service.port`,
      (m) =>
        void (present(actionOf(m).backends[0]).backend = create(pb.RouteBackendSchema, {
          kind: { case: 'service', value: { service: 'shop/v1.example' } },
        })),
    ],
    [`invalid-field ${FILTERS}`, (m) => void (filtersOf(m).redirect = create(pb.RedirectSchema))],
    [`invalid-field ${FILTERS}.request_headers`, (m) => void present(filtersOf(m).requestHeaders).remove.push('x')],
    [
      `invalid-field ${FILTERS}.request_headers.remove[0]`,
      (m) => void (present(filtersOf(m).requestHeaders).remove = ['host']),
    ],
    [
      `invalid-field ${FILTERS}.request_headers.set[0].value`,
      (m) => void (present(filtersOf(m).requestHeaders?.set[0]).value = 'a\r\nb: c'),
    ],
    [`invalid-field ${FILTERS}.rewrite.hostname`, (m) => void (present(filtersOf(m).rewrite).hostname = '*.a')],
    [
      `invalid-field ${FILTERS}.rewrite.path`,
      (m) => void (present(filtersOf(m).rewrite).path = create(pb.PathModifierSchema)),
    ],
    [
      `invalid-field ${FILTERS}.rewrite.path.prefix`,
      (m) => void (present(filtersOf(m).rewrite?.path).kind = { case: 'prefix', value: '/' }),
    ],
    [
      `invalid-field ${FILTERS}.rewrite.path.full`,
      (m) => void (present(filtersOf(m).rewrite?.path).kind = { case: 'full', value: '' }),
    ],
    [
      `invalid-field ${FILTERS}.rewrite.path.full`,
      (m) => void (present(filtersOf(m).rewrite?.path).kind = { case: 'full', value: '/a b' }),
    ],
    [`invalid-field ${FILTERS}.mirrors[0].denominator`, (m) => void (present(filtersOf(m).mirrors[0]).denominator = 0)],
    [`invalid-field ${FILTERS}.mirrors[0].numerator`, (m) => void (present(filtersOf(m).mirrors[0]).numerator = 4)],
    [`invalid-field ${FILTERS}.cors.max_age_seconds`, (m) => void (corsOf(m).maxAgeSeconds = 0)],
    [`invalid-field ${FILTERS}.cors.allow_origins[0]`, (m) => void (present(corsOf(m).allowOrigins).values = ['*'])],
    [`invalid-field ${FILTERS}.cors.allow_methods[0]`, (m) => void (present(corsOf(m).allowMethods).values = ['*'])],
    [
      `invalid-field ${ROUTE}.rules[1].action.filters.redirect.status_code`,
      (m) => void (redirectOf(m).statusCode = 200),
    ],
    [`invalid-field ${ROUTE}.rules[1].action.filters.redirect.scheme`, (m) => void (redirectOf(m).scheme = 'ftp')],
    [`invalid-field ${ROUTE}.rules[1].action.filters.redirect.port`, (m) => void (redirectOf(m).port = 0)],
    [
      `invalid-field ${PORT}.consumers[0].group.grpc.routes[0].rules[0].matches[0].service.exact`,
      (m) => void (present(grpcMatchOf(m).service).kind = { case: 'exact', value: 'a/b' }),
    ],
    [`invalid-field ${PORT}.consumers[1].group.stream.routes[0].route`, (m) => void (streamOf(m).route = 'a')],
    [
      `invalid-field ${PORT}.consumers[1].group.stream.routes[0].server_names[0]`,
      (m) => void (streamOf(m).serverNames = ['A']),
    ],
    [
      `invalid-field ${RULE}.matches[0]`,
      (m) => void (matchOf(m).$unknown = [{ no: 99, wireType: 0, data: Uint8Array.of(1) }]),
    ],
  ];
  for (const [refusal, edit] of table)
    assert.equal(
      wireRefusal(() => parseServiceRoutes(edited(edit))),
      refusal,
    );
  const other = { ...RESOURCE, typeUrl: 'type.googleapis.com/other' };
  assert.equal(
    wireRefusal(() => parseServiceRoutes(other)),
    'invalid-field resource.type_url',
  );
  const cut = { ...RESOURCE, value: RESOURCE.value.subarray(0, -1) };
  assert.equal(
    wireRefusal(() => parseServiceRoutes(cut)),
    'malformed ServiceRoutes',
  );
});

test('parseServiceRoutes() throws WireError alone, whatever bytes it is given', () => {
  const taken = takenWhenMangled(RESOURCE, parseServiceRoutes);
  assert.ok(taken < 1_000, `most edits break something, but ${taken} were taken`);
});
