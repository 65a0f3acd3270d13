import { KindError } from '@ambit/mesh/kinds';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { endResponse as end, type HttpsServer, type HttpsServerTls, openHttpsServer } from '../https-server.ts';
import type { PolicyWorld } from '../status/policy-world.ts';
import {
  type AdmissionDecision,
  type AdmissionRequest,
  decideAdmission,
  parseAdmissionReview,
} from './decide-admission.ts';
import { ADMISSION_LIMITS } from './limits.ts';
import type { AdmissionMetrics, ReviewResult } from './metrics.ts';

const PATH = '/validate';

export interface AdmissionServerOptions {
  readonly host: string;
  /** 0 picks one. */
  readonly port: number;
  readonly tls: HttpsServerTls;
  /** The objects as they are now. */
  readonly world: () => PolicyWorld;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: AdmissionMetrics;
}

/**
 * The ValidatingWebhook of our own kinds: `POST /validate` over TLS; callers need no certificate. While it is away the API
 * server does without, by its failure policy. Rejects when the address cannot be bound.
 */
export function openAdmissionServer(options: AdmissionServerOptions): Promise<HttpsServer> {
  const webhook = new AdmissionWebhook(options);
  return openHttpsServer({
    ...options,
    name: 'admission webhook',
    limits: ADMISSION_LIMITS,
    handle: (request, response) => void webhook.serve(request, response),
  });
}

class AdmissionWebhook {
  readonly #options: AdmissionServerOptions;

  constructor(options: AdmissionServerOptions) {
    this.#options = options;
  }

  /** Never rejects. */
  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => {});
    request.on('error', () => response.destroy());
    // The API server says behind a question mark how long it waits.
    const path = request.url?.split('?', 1)[0];
    if (path !== PATH || request.method !== 'POST') {
      request.resume();
      end(response, path === PATH ? 405 : 404, 'POST /validate is all there is\n');
      return;
    }
    const body = await readBody(request);
    if (body === null) {
      this.#options.metrics.reviews.add(['too-large']);
      end(response, 413, `at most ${ADMISSION_LIMITS.bodyBytesMax} bytes\n`);
      request.destroy();
      return;
    }
    const begun = this.#options.clock.monotonic();
    this.#answer(body, response);
    this.#options.metrics.seconds.observe([], (this.#options.clock.monotonic() - begun) / 1000);
  }

  #answer(body: Buffer, response: ServerResponse): void {
    const count = (result: ReviewResult): void => this.#options.metrics.reviews.add([result]);
    let review: AdmissionRequest;
    try {
      review = parseAdmissionReview(JSON.parse(body.toString('utf8')));
    } catch (error) {
      count('malformed');
      const reason = error instanceof KindError ? error.message : 'not JSON';
      this.#options.logger.warn('admission review cannot be read', { reason }, { limitBy: reason });
      end(response, 400, 'not an AdmissionReview of admission.k8s.io/v1\n');
      return;
    }
    try {
      const decision = decideAdmission(review, this.#options.world());
      count(decision.allowed ? 'allowed' : 'refused');
      this.#options.metrics.warnings.add([], decision.warnings.length);
      end(response, 200, JSON.stringify(answerTo(review, decision)), 'application/json');
    } catch (error) {
      count('failed');
      this.#options.logger.error('admission review failed', { error }, { limitBy: String(error) });
      end(response, 500, 'internal error, see the log\n');
    }
  }
}

/** Null when it is larger than allowed, or the caller went away: then nobody reads the answer. */
async function readBody(request: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request) {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- without an encoding chunks are buffers
      const bytes = chunk as Buffer;
      size += bytes.length;
      if (size > ADMISSION_LIMITS.bodyBytesMax) return null;
      chunks.push(bytes);
    }
  } catch {
    return null;
  }
  return Buffer.concat(chunks);
}

function answerTo({ uid }: AdmissionRequest, { allowed, refusal, warnings }: AdmissionDecision): unknown {
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: {
      uid,
      allowed,
      ...(refusal === undefined ? {} : { status: { code: 422, reason: 'Invalid', message: refusal } }),
      ...(warnings.length === 0 ? {} : { warnings }),
    },
  };
}
