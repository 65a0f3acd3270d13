import type { Asked } from './check-answer.ts';

/** Sends requests of one protocol and counts what becomes of them. */
export interface RequestSender {
  /** Sends at once. Never tries again: what fails has failed. */
  send(asked: Asked, plannedMs: number, isOnNewConnection: boolean): void;
  /** Closes what is idle; called when nothing is under way. */
  close(): void;
}
