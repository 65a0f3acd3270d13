/** How a connection is carried: encrypted, or from socket to socket. */
export type Carriage = 'tunnel' | 'plain';

/**
 * What work costs, in microseconds. Measured once, on an agent that serves both ends (1000 connections, 10,000 round trips of 4 bytes, 500 MiB,
 * rest; half of it for each end); refusals and handshakes are estimates. Only compared with each other, so that they hold on other machines.
 */
export const COST_US = {
  /** A connection from its acceptance to its end, without what it carries. */
  connection: { tunnel: 370, plain: 210 },
  refusal: 100,
  /** Of TLS with two certificates, to ask or to answer. */
  handshake: 1500,
  /** A piece of payload, read on one side and written to the other. */
  segment: { tunnel: 9, plain: 4 },
  byte: { tunnel: 0.001, plain: 0.0003 },
  /** A second in which nothing happens. */
  idleSecond: 400,
} as const;

/**
 * Divides whole `total` in proportion to `works`, in whole parts that sum to it. Without any work it is all the first one's.
 */
export function shareOut(total: number, works: readonly number[]): readonly number[] {
  const sum = works.reduce((before, work) => before + work, 0);
  if (sum <= 0) return works.map((_, index) => (index === 0 ? total : 0));
  const lastWorking = works.findLastIndex((work) => work > 0);
  let done = 0;
  let given = 0;
  return works.map((work, index) => {
    done += work;
    // Not left to what adding fractions comes to.
    const until = index < lastWorking ? Math.floor((done / sum) * total) : total;
    const part = Math.max(0, until - given);
    given += part;
    return part;
  });
}
