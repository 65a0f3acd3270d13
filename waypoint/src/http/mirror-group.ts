import type { FieldBlock } from '@ambit/mesh/http1';
import type { Cluster } from '../upstream/cluster.ts';
import { CurrentRequest } from './current-request.ts';
import { decideUpstream } from './decide-upstream.ts';
import { Http2Sender } from './http2-sender.ts';
import type { Forward } from './pipeline.ts';
import type { RequestAttempts, SenderOwner } from './request-attempts.ts';
import { RequestMirror } from './request-mirror.ts';
import { RequestSender } from './request-sender.ts';
import type { WorkerContext } from './worker-context.ts';

/** The copies of one request. */
export class MirrorGroup {
  readonly #mirrors: readonly RequestMirror[];

  private constructor(mirrors: readonly RequestMirror[]) {
    this.#mirrors = mirrors;
  }

  /** Null when there are none. The head of `request` must still be there. An upgrade is for two, and gets no copies. */
  static begin(context: WorkerContext, request: CurrentRequest, forward: Forward): MirrorGroup | null {
    const clusters = forward.delivery?.mirrors ?? [];
    if (clusters.length === 0 || request.upgrade) return null;
    const mirrors = clusters
      .filter(() => context.mirrors.enter())
      .map((cluster) => mirrorTo(cluster, context, request, forward));
    return mirrors.length === 0 ? null : new MirrorGroup(mirrors);
  }

  data(memory: Buffer, start: number, end: number): void {
    for (const mirror of this.#mirrors) mirror.data(memory, start, end);
  }

  trailers(block: FieldBlock): void {
    for (const mirror of this.#mirrors) mirror.trailers(block);
  }

  /** The request is complete. */
  end(): void {
    for (const mirror of this.#mirrors) mirror.end();
  }

  flush(): void {
    for (const mirror of this.#mirrors) mirror.flush();
  }

  /** There will be no more of the request; copies of a whole one go on by themselves. */
  leave(): void {
    for (const mirror of this.#mirrors) mirror.cut();
  }
}

function mirrorTo(cluster: Cluster, context: WorkerContext, request: CurrentRequest, forward: Forward): RequestMirror {
  // Outlives the request, whose object is that of the next one then.
  const own = new CurrentRequest(
    request.head,
    request.caller,
    (memory, at) => at + memory.write(request.requestId, at, 'latin1'),
  );
  own.read();
  const isHttp2 = decideUpstream(cluster.protocol, request) === 'http/2';
  const createSender = (owner: SenderOwner): RequestAttempts =>
    isHttp2 ? new Http2Sender(context, owner, own) : new RequestSender(context, owner, own);
  return new RequestMirror(context, { ...forward, cluster, delivery: null }, createSender);
}
