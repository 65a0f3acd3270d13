/** How a stream came to its end: both said goodbye in the protocol's own way, or not. */
export type StreamEnd = 'orderly' | { readonly cut: string };

/** What becomes of a stream, told by whoever carries it. `onEnd` is called once and last. */
export interface StreamObserver {
  onConnected(): void;
  onDisconnected(): void;
  onMessage(text: string): void;
  onEnd(end: StreamEnd): void;
}

/** One stream of messages each way that come back. */
export interface EchoStream {
  /** At once, or as soon as the stream is open. */
  send(text: string): void;
  /** No more messages; the server ends its direction when it has echoed all. */
  end(): void;
  /** Ends at once, whatever is under way. */
  destroy(): void;
}

/** Opens streams of one protocol. */
export interface StreamOpener {
  open(observer: StreamObserver, isOnNewConnection: boolean): EchoStream;
  /** Closes what streams shared. */
  close(): void;
}

/** Passes the first end on and nothing after it. */
export function onceEnded(observer: StreamObserver): StreamObserver {
  let hasEnded = false;
  return {
    onConnected: () => observer.onConnected(),
    onDisconnected: () => observer.onDisconnected(),
    onMessage: (text) => {
      if (!hasEnded) observer.onMessage(text);
    },
    onEnd: (end) => {
      if (hasEnded) return;
      hasEnded = true;
      observer.onEnd(end);
    },
  };
}
