import { createHash } from 'node:crypto';
import { GrpcError } from '@ambit/mesh/grpc';
import { type KubeClient, KubeApiError, type KubeResource } from '@ambit/mesh/kube';
import { type Clock, type Counter, counter, type Logger, type Metrics } from '@ambit/mesh/runtime';
import { callWithin } from '../call-within.ts';
import type { TokenVerdict } from './admit-token-caller.ts';
import { CallBudget } from './call-budget.ts';
import { decideTokenReview, tokenReviewFor } from './decide-token-review.ts';
import { decideTokenShape } from './decide-token-shape.ts';
import { ExpiringMap } from './expiring-map.ts';
import { TOKEN_LIMITS } from './limits.ts';

const TOKEN_REVIEWS: KubeResource = {
  group: 'authentication.k8s.io',
  version: 'v1',
  plural: 'tokenreviews',
  kind: 'TokenReview',
  scope: 'cluster',
};

export interface TokenReviewerOptions {
  readonly client: KubeClient;
  /** A token must be for one of them. */
  readonly audiences: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Whom tokens belong to, by the API server's word. Remembers hashes of tokens, never tokens. */
export class TokenReviewer {
  readonly #options: TokenReviewerOptions;
  readonly #verdicts: ExpiringMap<string, TokenVerdict>;
  /** Verdicts that no longer count while the API server answers. */
  readonly #former: ExpiringMap<string, TokenVerdict>;
  readonly #underWay = new Map<string, Promise<TokenVerdict>>();
  readonly #budget: CallBudget;
  readonly #reviews: Counter;

  constructor(options: TokenReviewerOptions) {
    const { clock } = options;
    this.#options = options;
    this.#verdicts = new ExpiringMap(clock, TOKEN_LIMITS.rememberedMax);
    this.#former = new ExpiringMap(clock, TOKEN_LIMITS.rememberedMax);
    this.#budget = new CallBudget(clock, TOKEN_LIMITS.reviewsPerAddress);
    const { reviews } = options.metrics.register({
      reviews: counter({
        name: 'ambit_token_reviews_total',
        help: 'Tokens of callers that the API server was asked about, by what came of it.',
        labels: ['result'],
        initial: [['accepted'], ['refused'], ['failed'], ['limited'], ['remembered']],
      }),
    });
    this.#reviews = reviews;
  }

  /**
   * @throws GrpcError `unavailable` when the API server cannot say and the token is not one it confirmed lately;
   * `resource-exhausted` when there are too many tokens to ask about.
   */
  async review(token: string | undefined, peerAddress: string): Promise<TokenVerdict> {
    const { audiences, clock } = this.#options;
    const shape = decideTokenShape(token, audiences, clock.now());
    if (shape.kind === 'refused') return shape;
    if (token === undefined) return { kind: 'refused', reason: 'no-token' };
    const hash = createHash('sha256').update(token).digest('base64');
    const known = this.#verdicts.get(hash) ?? this.#underWay.get(hash);
    if (known !== undefined) {
      this.#reviews.add(['remembered']);
      return await known;
    }
    if (!this.#budget.take(hostOf(peerAddress)) || this.#underWay.size >= TOKEN_LIMITS.underWayMax) {
      this.#reviews.add(['limited']);
      throw new GrpcError('resource-exhausted', { data: { reason: 'too-many-token-reviews' } });
    }
    const asking = this.#ask(token, hash, shape.expiresAtMs).finally(() => this.#underWay.delete(hash));
    this.#underWay.set(hash, asking);
    return await asking;
  }

  async #ask(token: string, hash: string, expiresAtMs: number): Promise<TokenVerdict> {
    const { client, audiences, clock, logger } = this.#options;
    const never = new AbortController().signal;
    try {
      const answer = await callWithin(clock, TOKEN_LIMITS.reviewMs, never, (signal) =>
        client.create(TOKEN_REVIEWS, '', tokenReviewFor(token, audiences), signal),
      );
      const verdict = decideTokenReview(answer, audiences);
      this.#remember(hash, verdict, expiresAtMs);
      return verdict;
    } catch (error) {
      this.#reviews.add(['failed']);
      const former = isOutage(error) ? this.#former.get(hash) : undefined;
      if (former !== undefined) {
        logger.debug('API server cannot check a token, its answer of before counts', { error });
        return former;
      }
      logger.warn('API server cannot check a token', { error });
      throw new GrpcError('unavailable', { cause: error });
    }
  }

  #remember(hash: string, verdict: TokenVerdict, expiresAtMs: number): void {
    const leftMs = expiresAtMs - this.#options.clock.now();
    if (verdict.kind === 'refused') {
      this.#reviews.add(['refused']);
      this.#former.delete(hash);
      this.#verdicts.set(hash, verdict, TOKEN_LIMITS.refusedMs);
      return;
    }
    this.#reviews.add(['accepted']);
    this.#verdicts.set(hash, verdict, Math.min(leftMs, TOKEN_LIMITS.acceptedMs));
    this.#former.set(hash, verdict, Math.min(leftMs, TOKEN_LIMITS.outageMs));
  }
}

/** The API server did not say no: it did not answer, or had something else to do. */
function isOutage(error: unknown): boolean {
  if (error instanceof KubeApiError) return error.retryable && error.code !== 'unauthenticated';
  return error instanceof DOMException && error.name === 'TimeoutError';
}

function hostOf(address: string): string {
  return address.slice(0, Math.max(0, address.lastIndexOf(':')));
}
