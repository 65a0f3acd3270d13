import type { RawObject } from '../kinds/parse-object.ts';
import type { KubeClient, KubeResource, KubeSelection } from './kube-client.ts';

/** Every object of a selection, page by page: one page is in memory at a time. Rejects as `listPage` does. */
export async function* listAll(
  client: KubeClient,
  resource: KubeResource,
  selection: KubeSelection,
  signal: AbortSignal,
): AsyncGenerator<RawObject, void, undefined> {
  let token: string | null = null;
  do {
    const page = await client.listPage(resource, selection, token, signal);
    yield* page.items;
    token = page.continueToken;
  } while (token !== null);
}
