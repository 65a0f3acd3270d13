import { createHash } from 'node:crypto';
import { GrpcError } from '@ambit/mesh/grpc';
import { type KubeClient, KubeApiError, type KubeResource } from '@ambit/mesh/kube';
import { type Clock, type Counter, counter, type Logger, type Metrics } from '@ambit/mesh/runtime';
import { callWithin } from '../call-within.ts';
import type { TokenVerdict } from './admit-token-caller.ts';
import { CallBudget } from './call-budget.ts';
import { decideReviewShare } from './decide-review-share.ts';
import { decideTokenReview, tokenReviewFor } from './decide-token-review.ts';
import { decideTokenShape, type TokenClaims } from './decide-token-shape.ts';
import { ExpiringMap } from './expiring-map.ts';
import { FairTurns } from './fair-turns.ts';
import { TOKEN_LIMITS } from './limits.ts';

const TOKEN_REVIEWS: KubeResource = {
  group: 'authentication.k8s.io',
  version: 'v1',
  plural: 'tokenreviews',
  kind: 'TokenReview',
  scope: 'cluster',
};

export interface TokenReviewerOptions {
  readonly client: Pick<KubeClient, 'create'>;
  /** A token must be for one of them. */
  readonly audiences: readonly string[];
  /** Whether our copy of the cluster has the pod that a token claims. Decides whose turn it uses up and nothing else. */
  readonly isPod: (claims: TokenClaims) => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** A token that may be right. */
interface Candidate {
  readonly token: string;
  readonly hash: string;
  readonly expiresAtMs: number;
}

/**
 * Whom tokens belong to, by the API server's word. Remembers hashes of tokens, never tokens. What the API server said of a
 * token lately counts again without a question; and while it does not answer, or not soon, what it said within the last
 * hour. So those it knows are served while it hangs, and a crowd of others takes nothing from them.
 */
export class TokenReviewer {
  readonly #options: TokenReviewerOptions;
  readonly #verdicts: ExpiringMap<string, TokenVerdict>;
  /** What was accepted, for longer; it counts while the API server does not answer. */
  readonly #former: ExpiringMap<string, TokenVerdict>;
  readonly #underWay = new Map<string, Promise<TokenVerdict>>();
  readonly #turns: FairTurns;
  readonly #budgets: Readonly<Record<'address' | 'pod', CallBudget>>;
  readonly #reviews: Counter;
  /** Questions about tokens that were accepted before. */
  #again = 0;
  /** The API server has just kept somebody waiting: nobody whom it knows waits for it until then. */
  #hangsUntilMs = -Infinity;

  constructor(options: TokenReviewerOptions) {
    const { clock } = options;
    this.#options = options;
    this.#verdicts = new ExpiringMap(clock, TOKEN_LIMITS.rememberedMax);
    this.#former = new ExpiringMap(clock, TOKEN_LIMITS.rememberedMax);
    this.#turns = new FairTurns(clock, TOKEN_LIMITS.turns);
    this.#budgets = {
      address: new CallBudget(clock, TOKEN_LIMITS.reviewsPerAddress),
      pod: new CallBudget(clock, TOKEN_LIMITS.reviewsPerPod),
    };
    const { reviews } = options.metrics.register({
      reviews: counter({
        name: 'ambit_token_reviews_total',
        help: 'Tokens of callers that the API server was asked about, by what came of it.',
        labels: ['result'],
        initial: [['accepted'], ['refused'], ['failed'], ['limited'], ['remembered'], ['former']],
      }),
    });
    this.#reviews = reviews;
  }

  /**
   * @throws GrpcError `unavailable` when the API server cannot say and the token is not one it confirmed lately;
   * `resource-exhausted` when there are too many tokens to ask about.
   */
  async review(token: string | undefined, peerAddress: string): Promise<TokenVerdict> {
    const { audiences, clock, isPod } = this.#options;
    const shape = decideTokenShape(token, audiences, clock.now());
    if (shape.kind === 'refused') return shape;
    if (token === undefined) return { kind: 'refused', reason: 'no-token' };
    const hash = createHash('sha256').update(token).digest('base64');
    const candidate = { token, hash, expiresAtMs: shape.expiresAtMs };
    const remembered = this.#verdicts.get(hash);
    const former = this.#former.get(hash);
    if (remembered === undefined && former !== undefined) return await this.#confirmAgain(candidate, former);
    const known = remembered ?? this.#underWay.get(hash);
    if (known !== undefined) {
      this.#reviews.add(['remembered']);
      return await known;
    }
    const { budget, ...share } = decideReviewShare(peerAddress, shape.claims, isPod);
    if (!this.#budgets[budget].take(`${share.group} ${share.member}`)) throw this.#limited();
    return await this.#join(hash, async () => {
      using turn = await this.#turns.take(share);
      if (turn === null) throw this.#limited();
      return await this.#ask(candidate);
    });
  }

  /** Waits a moment for the API server, and not at all while it is known to hang or has enough to do with others. */
  async #confirmAgain(candidate: Candidate, former: TokenVerdict): Promise<TokenVerdict> {
    const { clock } = this.#options;
    const asked = this.#underWay.get(candidate.hash) ?? this.#askAgain(candidate);
    const isPatient = asked !== null && clock.monotonic() >= this.#hangsUntilMs;
    const answer = isPatient ? await this.#within(TOKEN_LIMITS.patienceMs, asked) : null;
    if (answer !== null) return answer;
    this.#reviews.add(['former']);
    if (isPatient) this.#hangsUntilMs = clock.monotonic() + TOKEN_LIMITS.retryMs;
    return former;
  }

  /** Null when there are enough of these. */
  #askAgain(candidate: Candidate): Promise<TokenVerdict> | null {
    if (this.#again >= TOKEN_LIMITS.againMax) return null;
    this.#again++;
    return this.#join(candidate.hash, () => this.#ask(candidate).finally(() => this.#again--));
  }

  /** Null when it takes longer. */
  async #within(ms: number, answer: Promise<TokenVerdict>): Promise<TokenVerdict | null> {
    const late = Promise.withResolvers<null>();
    using _timer = this.#options.clock.setTimer(ms, () => late.resolve(null));
    return await Promise.race([answer, late.promise]);
  }

  /** Whoever shows the same token meanwhile gets the same answer. */
  #join(hash: string, ask: () => Promise<TokenVerdict>): Promise<TokenVerdict> {
    const asking = ask().finally(() => this.#underWay.delete(hash));
    this.#underWay.set(hash, asking);
    // Perhaps nobody waits for it any more.
    asking.catch(() => {});
    return asking;
  }

  #limited(): GrpcError {
    this.#reviews.add(['limited']);
    return new GrpcError('resource-exhausted', { data: { reason: 'too-many-token-reviews' } });
  }

  async #ask({ token, hash, expiresAtMs }: Candidate): Promise<TokenVerdict> {
    const { client, audiences, clock, logger } = this.#options;
    const never = new AbortController().signal;
    try {
      const answer = await callWithin(clock, TOKEN_LIMITS.reviewMs, never, (signal) =>
        client.create(TOKEN_REVIEWS, '', tokenReviewFor(token, audiences), signal),
      );
      this.#hangsUntilMs = -Infinity;
      const verdict = decideTokenReview(answer, audiences);
      this.#remember(hash, verdict, expiresAtMs);
      return verdict;
    } catch (error) {
      this.#reviews.add(['failed']);
      const former = isOutage(error) ? this.#former.get(hash) : undefined;
      if (former !== undefined) {
        logger.debug('API server cannot check a token, its answer of before counts', { error });
        this.#verdicts.set(hash, former, Math.min(expiresAtMs - clock.now(), TOKEN_LIMITS.retryMs));
        return former;
      }
      logger.warn('API server cannot check a token', { error }, { limitBy: String(error) });
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
