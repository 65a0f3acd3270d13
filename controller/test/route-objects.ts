import assert from 'node:assert/strict';
import { type MeshObject, parseObject } from '@ambit/mesh/kinds';
import { parseTrustDomain } from '@ambit/mesh/model';
import { createTestCa } from '@ambit/mesh/testing';
import type { MeshSettings } from '../src/translate/mesh-settings.ts';

export const ROUTE_SETTINGS: MeshSettings = {
  clusterId: 'c',
  clusterDomain: 'cluster.local',
  trustDomain: parseTrustDomain('cluster.local'),
  rootNamespace: 'ambit-system',
  defaultNetwork: '',
  excludedNamespaces: [],
};

const VERSIONS: Readonly<Record<string, string>> = {
  Service: 'v1',
  Namespace: 'v1',
  ConfigMap: 'v1',
  ServiceImport: 'multicluster.x-k8s.io/v1alpha1',
};

/** An object of namespace `shop`: of Gateway API unless its kind is of another group. */
export function routeObject(
  kind: string,
  name: string,
  spec: Readonly<Record<string, unknown>>,
  metadata: Readonly<Record<string, unknown>> = {},
): MeshObject {
  const apiVersion = VERSIONS[kind] ?? 'gateway.networking.k8s.io/v1';
  const json = { apiVersion, kind, metadata: { name, namespace: 'shop', ...metadata }, spec };
  return parseObject(json) ?? assert.fail(kind);
}

/** Of authorities that issue nothing. */
const { rootPem, intermediatePem } = createTestCa();
export const ROOT_PEM: string = rootPem;
export const OTHER_ROOT_PEM: string = intermediatePem;

/** A ConfigMap of namespace `shop` with authorities. */
export function configMap(name: string, pem: string): MeshObject {
  const json = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'shop' }, data: { 'ca.crt': pem } };
  return parseObject(json) ?? assert.fail(name);
}
