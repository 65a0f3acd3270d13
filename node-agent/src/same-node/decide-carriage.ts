/** What is known of whether both ends of a session are in this process. */
export type Proof = 'untried' | 'here' | 'elsewhere';

/** A connection that is about to be opened, as far as the shortcut is concerned. */
export interface CarriageFacts {
  /** This process serves the destination pod and takes new connections for it. */
  readonly isDestinationHere: boolean;
  /** Bytes of the application may have been read for a tunnel that failed. */
  readonly isSourceRead: boolean;
  /** The session that a tunnel would use; undefined when there is none yet. */
  readonly session: { readonly proof: Proof; readonly answeredAgoMs: number } | undefined;
}

/**
 * `shortcut`: from socket to socket, now. `ask`: first the network has to show that it (still) carries a session to this process;
 * then decide again. `tunnel`: as between two nodes.
 */
export type Carriage = 'shortcut' | 'ask' | 'tunnel';

/**
 * How long an answer over the network counts. It bounds how long new connections go on after a NetworkPolicy has cut the path
 * without ending the session, and costs one PING for that long in which connections are opened.
 */
export const ANSWER_FRESH_MS = 1000;

/** Whether a connection may skip the tunnel that stands for it. Pure. */
export function decideCarriage({ isDestinationHere, isSourceRead, session }: CarriageFacts): Carriage {
  if (!isDestinationHere || isSourceRead) return 'tunnel';
  if (session === undefined) return 'ask';
  if (session.proof === 'elsewhere') return 'tunnel';
  return session.proof === 'here' && session.answeredAgoMs <= ANSWER_FRESH_MS ? 'shortcut' : 'ask';
}
