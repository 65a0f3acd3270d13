import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DecodedPacket, decode, encode, type Packet, RECURSION_DESIRED } from 'dns-packet';
import { DatagramBatch, DatagramExchange, DatagramListener } from '@ambit/mesh/linux';
import { type MeshViewUpdate, parseSocketAddress } from '@ambit/mesh/model';
import { DATAGRAM_BYTES_MAX } from '../src/dns/dns-message.ts';
import type { DnsSettings } from '../src/dns/dns-proxy.ts';
import { framed, MessageFramer } from '../src/dns/message-framer.ts';
import { PodWorld, type TestPod } from './pod-world.ts';

/** Longest a question of a test waits for its answer. */
const ANSWER_MS = 20_000;

/** A question as clients send it. */
export function question(name: string, type: string, more: Packet & { readonly id?: number } = {}): Buffer {
  const questions = [{ name, type }] as Packet['questions'];
  return encode({ type: 'query', id: 7, flags: RECURSION_DESIRED, questions, ...more });
}

/** Code and answers of a message, as `TYPE data`. */
export function told(bytes: Buffer): readonly string[] {
  const packet: DecodedPacket & { readonly rcode?: string } = decode(bytes);
  const answers = packet.answers ?? [];
  return [
    packet.rcode ?? '',
    ...answers.map(
      (answer) => `${answer.type} ${'data' in answer ? JSON.stringify(answer.data).replaceAll('"', '') : ''}`,
    ),
  ];
}

/** Questions that were spoiled in some way, and bytes that never were one. */
export function spoiledQuestions(random: () => number, count: number): readonly Buffer[] {
  const types = ['A', 'AAAA', 'SRV', 'TXT', 'ANY'];
  const names = ['web', 'web.shop.svc.cluster.local', 'example.org', '_80._tcp.web', '.', `${'x'.repeat(63)}.web`];
  const pick = (max: number): number => Math.floor(random() * max);
  return Array.from({ length: count }, () => {
    if (pick(8) === 0) return Buffer.from(Array.from({ length: pick(80) }, () => pick(256)));
    const bytes = question(names[pick(names.length)] ?? '', types[pick(types.length)] ?? '', { id: pick(65_536) });
    for (let changes = pick(4); changes > 0; changes--) bytes[pick(bytes.length)] = pick(256);
    const cut = pick(4) === 0 ? bytes.subarray(0, pick(bytes.length)) : bytes;
    return pick(8) === 0 ? Buffer.concat([cut, Buffer.alloc(pick(600), pick(256))]) : cut;
  });
}

/** A name server that answers what it is told to, and keeps what it heard. */
export class TestNameserver implements Disposable {
  readonly heard: Buffer[] = [];
  /** Null: silence. */
  answer: (message: Buffer) => Buffer | null = echoed;
  readonly #listener: DatagramListener;
  readonly #closing = new DisposableStack();

  constructor(pod: TestPod, ip: string) {
    const batch = new DatagramBatch(DATAGRAM_BYTES_MAX);
    this.#listener = new DatagramListener(pod.handle, { address: parseSocketAddress(`${ip}:53`) }, () => {
      for (let count = batch.receive(this.#listener); count > 0; count = batch.receive(this.#listener)) {
        for (let i = 0; i < count; i++) {
          const message = Buffer.from(batch.datagram(i));
          this.heard.push(message);
          const answer = this.answer(message);
          if (answer !== null) batch.reply(i, answer.copy(batch.replyBuffer()));
        }
        batch.flush(this.#listener);
      }
    });
  }

  /** Over TCP too. */
  async listen(pod: TestPod): Promise<void> {
    await pod.serve(53, (socket) => {
      const framer = new MessageFramer();
      socket.on('data', (chunk: Buffer) => {
        framer.push(chunk);
        for (let message = framer.next(); message !== null; message = framer.next()) {
          this.heard.push(Buffer.from(message));
          const answer = this.answer(message);
          if (answer !== null) socket.write(framed(answer));
        }
      });
      socket.on('end', () => socket.end());
    });
  }

  [Symbol.dispose](): void {
    this.#closing.dispose();
    this.#listener[Symbol.dispose]();
  }
}

/** An answer that nobody but this server would give: the question, with the bit of an answer. */
export function echoed(message: Buffer): Buffer {
  const answer = Buffer.from(message);
  answer[2] = (answer[2] ?? 0) | 0x80;
  return answer;
}

/** A captured pod `app`, and `dns`, a pod that is not, with name servers on it. */
export class DnsTestWorld implements AsyncDisposable {
  readonly pods: PodWorld;
  readonly app: TestPod;
  readonly dns: TestPod;
  readonly #directory: string;

  private constructor(pods: PodWorld, directory: string) {
    this.pods = pods;
    this.app = pods.pod('app');
    this.dns = pods.pod('dns');
    this.#directory = directory;
  }

  static async create(
    mesh: MeshViewUpdate,
    nameservers: readonly string[],
    naming: Partial<DnsSettings['naming']> = {},
  ): Promise<DnsTestWorld> {
    const directory = mkdtempSync(join(tmpdir(), 'ambit-dns-'));
    const resolvConf = join(directory, 'resolv.conf');
    writeResolvConf(resolvConf, nameservers);
    const dns = { naming: { clusterDomain: 'cluster.local', preferredNamespace: '', ...naming }, resolvConf };
    const pods = await PodWorld.create(
      [
        { name: 'app', namespace: 'shop', addresses: ['10.77.0.1', 'fd77::1'] },
        { name: 'dns', captured: false, addresses: ['10.77.0.2', '10.77.0.3', 'fd77::2'] },
      ],
      { settings: { dns }, mesh },
    );
    return new DnsTestWorld(pods, directory);
  }

  /** What comes back to a datagram from the captured pod; rejects when nothing does. */
  async ask(message: Buffer, to = '10.77.0.2:53'): Promise<Buffer> {
    const [answer] = await this.askAll([message], to);
    return answer ?? Buffer.alloc(0);
  }

  /** As many answers as questions, from one socket, in the order in which they come. */
  async askAll(
    messages: readonly Buffer[],
    to = '10.77.0.2:53',
    expected: number = messages.length,
  ): Promise<readonly Buffer[]> {
    const answers: Buffer[] = [];
    const into = Buffer.alloc(65_535);
    const done = Promise.withResolvers<void>();
    using exchange = new DatagramExchange(this.app.handle, { destination: parseSocketAddress(to) }, () => {
      for (;;) {
        const length = exchange.receive(into);
        if (length === 'none') return;
        if (length === 'refused') return done.reject(new Error(`nobody listens at ${to}`));
        answers.push(Buffer.from(into.subarray(0, length)));
        if (answers.length >= expected) done.resolve();
      }
    });
    const timer = setTimeout(() => done.reject(new Error(`${answers.length} of ${expected} answers`)), ANSWER_MS);
    for (const message of messages) exchange.send(message);
    if (expected === 0) done.resolve();
    await done.promise.finally(() => clearTimeout(timer));
    return answers;
  }

  /** The same over one connection. */
  async askStream(messages: readonly Buffer[], to = '10.77.0.2:53'): Promise<readonly Buffer[]> {
    const socket = this.app.dial(to);
    const framer = new MessageFramer();
    const answers: Buffer[] = [];
    socket.setTimeout(ANSWER_MS, () => socket.destroy(new Error('silence')));
    await once(socket, 'connect');
    for (const message of messages) socket.write(framed(message));
    for await (const chunk of socket) {
      framer.push(chunk as Buffer); // A socket without encoding gives buffers.
      for (let message = framer.next(); message !== null; message = framer.next()) answers.push(Buffer.from(message));
      if (answers.length >= messages.length) break;
    }
    socket.destroy();
    return answers;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pods[Symbol.asyncDispose]();
    rmSync(this.#directory, { recursive: true });
  }
}

function writeResolvConf(path: string, nameservers: readonly string[]): void {
  writeFileSync(path, nameservers.map((ip) => `nameserver ${ip}\n`).join(''));
}
