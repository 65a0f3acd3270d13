import { after } from 'node:test';
import { BuiltPlugin } from './built-plugin.ts';
import { ClusterNode } from './cluster-node.ts';
import { StandInApi } from './stand-in-api.ts';

// One for all nodes of a test file.
const built = new BuiltPlugin();
after(() => built[Symbol.dispose]());

export const AMBIENT: Readonly<Record<string, string>> = { 'ambit.dev/mode': 'ambient' };

/** A node whose API server is a stand-in; kubernetes-agent.kube.test.ts has the real one. */
export class Node extends ClusterNode {
  readonly api: StandInApi;

  constructor() {
    const api = new StandInApi();
    super(built, () => ({ client: api.client, source: api, [Symbol.dispose]: () => {} }));
    this.api = api;
    api.put({ apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: { namespace: 'ambit-system', name: 'ambit-cni' } });
    for (const name of ['kube-system', 'ambit-system', 'plain']) api.namespace(name);
    api.namespace('shop', AMBIENT);
  }

  /** What the API server says of a pod; without an address, as long as its network is being made. */
  pod(
    name: string,
    more: { namespace?: string; labels?: object; annotations?: object; address?: string; uid?: string } = {},
  ): void {
    const { namespace = 'shop', labels = {}, annotations = {}, address, uid = `uid-of-${name}` } = more;
    this.api.put({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace, uid, labels, annotations },
      spec: { nodeName: 'here', serviceAccountName: 'default' },
      status: address === undefined ? { phase: 'Pending' } : { phase: 'Running', podIPs: [{ ip: address }] },
    });
  }

  annotation(name: string): unknown {
    const metadata: object = Object(this.api.objects.get(`Pod/shop/${name}`)?.['metadata']);
    return Reflect.get(Object(Reflect.get(metadata, 'annotations')), 'ambit.dev/redirection');
  }
}
