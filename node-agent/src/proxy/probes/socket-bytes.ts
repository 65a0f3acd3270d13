import type { Socket } from 'node:net';

/**
 * The next bytes of a paused socket, or null once it has ended in order. Rejects when it breaks or `signal` aborts; then the
 * socket is destroyed.
 */
export function nextBytes(socket: Socket, signal: AbortSignal): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    const settle = (then: () => void): void => {
      signal.removeEventListener('abort', onAbort);
      socket.off('readable', look).off('end', onEnd).off('close', onClose).off('error', onError);
      then();
    };
    const look = (): void => {
      const chunk: unknown = socket.read();
      if (Buffer.isBuffer(chunk)) settle(() => resolve(chunk));
    };
    const onEnd = (): void => settle(() => resolve(null));
    const onError = (error: Error): void => settle(() => reject(error));
    const onClose = (): void => settle(() => reject(new Error('the socket closed')));
    const onAbort = (): void => {
      socket.destroy();
      settle(() => reject(signal.reason));
    };
    if (signal.aborted) return onAbort();
    if (socket.readableEnded) return resolve(null);
    if (socket.destroyed) return onClose();
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('readable', look).on('end', onEnd).on('close', onClose).on('error', onError);
    look();
  });
}
