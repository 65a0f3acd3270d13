import { request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { type AppCommand, type AppEvent, type AppResult, BODY_BYTES_MAX } from './app-protocol.ts';
import { addressOf } from './app-servers.ts';
import { exchangeAsClient } from './bulk.ts';

type Report = (event: AppEvent) => void;
type Outcome = Omit<AppResult, 'id' | 'ms' | 'localAddress'>;
type Command<Op extends AppCommand['op']> = Extract<AppCommand, { readonly op: Op }>;

/** Carries out commands; every one is answered exactly once. */
export class AppClient {
  readonly #report: Report;
  /** Of each held connection, what ends it from this side. */
  readonly #held = new Map<number, () => void>();

  constructor(report: Report) {
    this.#report = report;
  }

  run(command: AppCommand): void {
    switch (command.op) {
      case 'http':
        this.#http(command);
        return;
      case 'line':
        this.#line(command);
        return;
      case 'hold':
        this.#hold(command);
        return;
      case 'bulk':
        this.#bulk(command);
        return;
      case 'churn':
        void this.#churn(command);
        return;
      case 'ping':
        void this.#ping(command);
        return;
      case 'release':
        this.#held.get(command.hold)?.();
        this.#answerer(command.id)({ ok: this.#held.has(command.hold) });
    }
  }

  #http(command: Command<'http'>): void {
    const answer = this.#answerer(command.id);
    const body = repeat(command.body ?? '', Math.min(command.bodyBytes ?? 0, BODY_BYTES_MAX));
    const request = httpRequest({
      host: command.ip,
      port: command.port,
      path: command.path,
      method: body.length > 0 ? 'POST' : 'GET',
      headers: { ...command.headers, connection: 'close', 'content-length': body.length },
      timeout: command.timeoutMs,
    });
    // The own address is gone once the socket is: note it while connected, or a refused call could not be traced.
    request.on('socket', (socket) => answer.note(socket));
    request.on('timeout', () => request.destroy(new Error('ETIMEDOUT')));
    request.on('error', (error) => answer({ ok: false, error: codeOf(error) }));
    request.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', (error) => answer({ ok: false, error: codeOf(error) }));
      response.on('end', () => {
        const status = response.statusCode ?? 0;
        const cookie = response.headers['set-cookie']?.[0]?.split(';')[0];
        answer({ ok: status === 200, status, ...identityOf(text), ...(cookie === undefined ? {} : { cookie }) });
      });
    });
    request.end(body);
  }

  #line(command: Command<'line'>): void {
    const answer = this.#answerer(command.id);
    let greeting: string | null = null;
    this.#openLines(command, answer, (line, socket) => {
      if (greeting === null) {
        greeting = line;
        socket.write(`${command.line}\n`);
        return;
      }
      const echoed = line === command.line;
      answer({ ok: echoed, ...identityOf(greeting), ...(echoed ? {} : { error: 'not echoed' }) });
      socket.end();
    });
  }

  #hold(command: Command<'hold'>): void {
    const answer = this.#answerer(command.id);
    let lines = 0;
    const socket = this.#openLines(command, answer, (line) => {
      if (lines === 0) answer({ ok: true, ...identityOf(line) });
      lines++;
    });
    socket.setTimeout(0);
    // An end of the other side ends ours as well, so what the socket says of itself does not tell who began.
    let isReleased = false;
    this.#held.set(command.id, () => {
      isReleased = true;
      socket.end();
    });
    const ticker = setInterval(() => {
      if (!socket.writableEnded) socket.write(`hold ${command.id} ${lines}\n`);
    }, command.intervalMs);
    let failure: string | undefined;
    socket.on('error', (error) => {
      failure = codeOf(error);
    });
    socket.on('close', () => {
      clearInterval(ticker);
      this.#held.delete(command.id);
      const cut = failure ?? (isReleased ? undefined : 'closed by the other side');
      this.#report({
        event: 'held-ended',
        id: command.id,
        lines,
        ...(cut === undefined ? {} : { error: cut }),
      });
    });
  }

  #bulk(command: Command<'bulk'>): void {
    const answer = this.#answerer(command.id);
    const socket = connect({ host: command.ip, port: command.port, allowHalfOpen: true });
    socket.setTimeout(command.timeoutMs, () => socket.destroy(new Error('ETIMEDOUT')));
    socket.on('error', (error) => answer({ ok: false, error: codeOf(error) }));
    answer.note(socket);
    const received = exchangeAsClient(socket, command.bytes);
    socket.on('close', () => {
      const { receivedBytes, brokenAt } = received;
      const error = brokenAt === null ? `ended after ${receivedBytes} bytes` : `other bytes at ${brokenAt}`;
      const ok = brokenAt === null && receivedBytes === command.bytes;
      answer({ ok, receivedBytes, ...(ok ? {} : { error }) });
    });
  }

  async #churn(command: Command<'churn'>): Promise<void> {
    const answer = this.#answerer(command.id);
    let started = 0;
    let completed = 0;
    let failure: string | undefined;
    const oneAfterTheOther = async (): Promise<void> => {
      while (failure === undefined && started < command.count) {
        started++;
        failure = (await greetedOnce(command)) ?? failure;
        if (failure === undefined) completed++;
      }
    };
    await Promise.all(Array.from({ length: command.concurrency }, oneAfterTheOther));
    answer({ ok: completed === command.count, completed, ...(failure === undefined ? {} : { error: failure }) });
  }

  async #ping(command: Command<'ping'>): Promise<void> {
    const answer = this.#answerer(command.id);
    const latenciesMs: number[] = [];
    try {
      let lines = command.isEachNew ? null : await openLineExchange(command);
      for (let ping = 0; ping < command.count; ping++) {
        const startMs = performance.now();
        if (command.isEachNew) lines = await openLineExchange(command);
        await lines?.exchange(`ping ${ping}`);
        latenciesMs.push(performance.now() - startMs);
        if (command.isEachNew) lines?.end();
        await new Promise((resolve) => setTimeout(resolve, command.intervalMs));
      }
      lines?.end();
      answer({ ok: true, latenciesMs: latenciesMs.sort((a, b) => a - b) });
    } catch (error) {
      answer({ ok: false, error: error instanceof Error ? codeOf(error) : String(error) });
    }
  }

  #openLines(
    command: Command<'line' | 'hold'>,
    answer: Answer,
    onLine: (line: string, socket: Socket) => void,
  ): Socket {
    const socket = connect({ host: command.ip, port: command.port });
    let pending = '';
    socket.setTimeout(command.timeoutMs, () => socket.destroy(new Error('ETIMEDOUT')));
    socket.on('error', (error) => answer({ ok: false, error: codeOf(error) }));
    socket.on('close', () => answer({ ok: false, error: 'closed before an answer' }));
    answer.note(socket);
    socket.on('data', (chunk: Buffer) => {
      const lines = (pending + chunk.toString('utf8')).split('\n');
      pending = lines.pop() ?? '';
      for (const line of lines) onLine(line, socket);
    });
    return socket;
  }

  #answerer(id: number): Answer {
    const start = performance.now();
    let localAddress = '';
    let answered = false;
    const answer = (outcome: Outcome): void => {
      if (answered) return;
      answered = true;
      const ms = Math.round((performance.now() - start) * 100) / 100;
      this.#report({ event: 'result', result: { id, ms, localAddress, ...outcome } });
    };
    return Object.assign(answer, {
      note: (socket: Socket): void => {
        // Where the other side resets at once Node tells of no connection, and by then the socket has no address.
        process.nextTick(() => {
          if (socket.localPort !== undefined) localAddress = addressOf(socket.localAddress, socket.localPort);
        });
      },
    });
  }
}

/** First call counts, later ones are ignored. */
interface Answer {
  (outcome: Outcome): void;
  /** Its address is that of the caller. In the turn in which it begins to connect, or later. */
  note(socket: Socket): void;
}

interface LineExchange {
  /** Sends a line and waits for its echo. Rejects when the connection breaks. */
  exchange(line: string): Promise<void>;
  end(): void;
}

/** A connection to a line server that has greeted. Rejects when it breaks before. */
async function openLineExchange({ ip, port, timeoutMs }: Command<'ping'>): Promise<LineExchange> {
  const socket = connect({ host: ip, port, noDelay: true });
  let answered = Promise.withResolvers<void>();
  socket.setTimeout(timeoutMs, () => socket.destroy(new Error('ETIMEDOUT')));
  socket.on('error', (error) => answered.reject(error));
  socket.on('close', () => answered.reject(new Error('closed before an answer')));
  // One line at a time is under way, and every answer is one line.
  socket.on('data', (chunk: Buffer) => {
    if (chunk.at(-1) === NEWLINE) answered.resolve();
  });
  await answered.promise;
  return {
    exchange: (line) => {
      answered = Promise.withResolvers<void>();
      answered.promise.catch(() => {});
      socket.write(`${line}\n`);
      return answered.promise;
    },
    end: () => {
      answered.promise.catch(() => {});
      socket.end();
    },
  };
}

const NEWLINE = 0x0a;

/** Opens a connection, waits for the first bytes and the orderly end after its own; resolves with what went wrong. */
function greetedOnce({ ip, port, timeoutMs }: Command<'churn'>): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: ip, port });
    let isGreeted = false;
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error('ETIMEDOUT')));
    socket.on('error', (error) => resolve(codeOf(error)));
    socket.on('data', () => {
      isGreeted = true;
      socket.end();
    });
    socket.on('close', () => resolve(isGreeted ? undefined : 'closed before a greeting'));
  });
}

function repeat(text: string, bytes: number): Buffer {
  return text === '' ? Buffer.alloc(0) : Buffer.alloc(Math.max(bytes, Buffer.byteLength(text)), text);
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}

function identityOf(text: string): Pick<AppResult, 'servedBy' | 'seenSource'> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return {};
    const servedBy = 'servedBy' in value && typeof value.servedBy === 'string' ? { servedBy: value.servedBy } : {};
    const seen = 'seenSource' in value && typeof value.seenSource === 'string' ? { seenSource: value.seenSource } : {};
    return { ...servedBy, ...seen };
  } catch {
    return {};
  }
}
