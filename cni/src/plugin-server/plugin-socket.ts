import { chmodSync, lstatSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { readPeerCredentials } from '@ambit/mesh/linux';
import type { Logger } from '@ambit/mesh/runtime';
import { CniError } from '../errors.ts';
import type { CniInstruments } from '../metrics.ts';
import {
  decodePluginRequest,
  encodePluginAnswer,
  type PluginAnswer,
  type PluginRequest,
  REQUEST_HEAD_BYTES,
  requestLength,
} from './plugin-message.ts';

export interface PluginSocketOptions {
  readonly path: string;
  /** Users that a container runtime, and with it the plugin, may run as. */
  readonly allowedUserIds: ReadonlySet<number>;
  /** Never rejects; `signal` aborts when the plugin goes away. */
  readonly handle: (request: PluginRequest, signal: AbortSignal) => Promise<PluginAnswer>;
  readonly logger: Logger;
  readonly metrics: CniInstruments;
}

/** As many pods may start at once; further plugins are refused and decide by the enrolment list. */
export const PLUGIN_CONNECTIONS_MAX = 512;
/** The plugin writes all it has at once. */
const REQUEST_MS = 5000;
const DIRECTORY_MODE = 0o700;
const SOCKET_MODE = 0o600;

/** Serves the plugin at a path, until disposed. A socket of an earlier process is replaced. Rejects when it cannot listen. */
export async function openPluginSocket(options: PluginSocketOptions): Promise<AsyncDisposable> {
  const { path } = options;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket));
    void serve(socket, options);
  });
  server.maxConnections = PLUGIN_CONNECTIONS_MAX;
  mkdirSync(dirname(path), { recursive: true, mode: DIRECTORY_MODE });
  // Under its final name it is complete, mode included; and Node, which removes the name it listened at, leaves that one alone.
  const temporary = `${path}.new`;
  rmSync(temporary, { force: true });
  await listen(server, temporary);
  chmodSync(temporary, SOCKET_MODE);
  renameSync(temporary, path);
  const { ino } = lstatSync(path);
  return {
    async [Symbol.asyncDispose]() {
      // A successor may have taken the name.
      if (lstatSync(path, { throwIfNoEntry: false })?.ino === ino) rmSync(path, { force: true });
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function serve(socket: Socket, options: PluginSocketOptions): Promise<void> {
  const { allowedUserIds, handle, logger, metrics } = options;
  const gone = new AbortController();
  socket.once('close', () => gone.abort(new Error('the plugin went away')));
  try {
    const { userId, processId } = readPeerCredentials(socket);
    if (!allowedUserIds.has(userId)) {
      metrics.pluginConnectionsRefused.add([]);
      const peer = { 'peer.user': userId, 'peer.process': processId };
      logger.warn('connection to the socket of the plugin refused', peer, { limitBy: String(userId) });
      socket.destroy();
      return;
    }
    const request = decodePluginRequest(await receive(socket));
    const answer = await handle(request, gone.signal);
    socket.end(encodePluginAnswer(answer));
  } catch (error) {
    if (!gone.signal.aborted) {
      logger.warn('a request to the socket of the plugin was not served', { error }, { limitBy: String(error) });
    }
    socket.destroy();
  }
}

/** One whole request. Rejects when it does not come whole, in time, or is none. */
function receive(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let received = 0;
    let expected: number | null = null;
    const fail = (reason: string): void => reject(new CniError('plugin-protocol', { data: { reason } }));
    socket.setTimeout(REQUEST_MS, () => fail('its request does not come'));
    socket.once('close', () => fail('it ended before its request was whole'));
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      received += chunk.length;
      try {
        if (expected === null && received >= REQUEST_HEAD_BYTES) expected = requestLength(Buffer.concat(chunks));
      } catch (error) {
        reject(error);
        return;
      }
      if (expected === null || received < expected) return;
      socket.setTimeout(0);
      if (received > expected) fail('something follows its request');
      else resolve(Buffer.concat(chunks));
    });
  });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(path, () => {
      server.off('error', reject).on('error', () => {});
      resolve();
    });
  });
}
