/** Every bound of a tunnel connection. Defaults are protocol.md 1.3 and 1.6-1.7; see `DEFAULT_LIMITS`. */
export interface HboneLimits {
  /** Credit a peer has on one stream. */
  readonly streamWindowBytes: number;
  /** Credit a peer has on the whole connection: larger than the stream's, so that one unread stream cannot stop the others. */
  readonly connectionWindowBytes: number;
  readonly frameSizeMaxBytes: number;
  /** Decoded header list (name + value + 32 each, RFC 9113 6.5.2). */
  readonly headerListMaxBytes: number;
  readonly headerCountMax: number;
  /** Encoded header block over HEADERS and CONTINUATION. */
  readonly headerBlockMaxBytes: number;
  /** CONTINUATION frames of one header block. */
  readonly continuationMax: number;
  /** Streams a client may have open towards us. */
  readonly serverStreamsMax: number;
  /** Streams we open on one session, also when the peer allows more. */
  readonly clientStreamsMax: number;
  readonly connectTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
  /** How long a peer may take to answer a request; checked every `pingIntervalMs`. */
  readonly answerTimeoutMs: number;
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
  /** A pooled session without streams is closed after this. */
  readonly idleReleaseMs: number;
  /** A pooled session whose peer has answered nothing for so long is asked for a sign of life before a tunnel goes on it. */
  readonly silenceMs: number;
  /** How long it may take to give one; then it gets no more tunnels. */
  readonly signOfLifeMs: number;
  /** Callers that may wait for one session to be created. */
  readonly poolWaitersMax: number;
  /** Sessions of one pool key; beyond them callers wait for a stream to end. */
  readonly poolSessionsMax: number;
  /** Streams reset by the peer, or refused, beyond those completed, per `abuseWindowMs`. */
  readonly resetsMax: number;
  /** SETTINGS, PING, PRIORITY, unknown and other frames that make us work without moving data, per `abuseWindowMs`. */
  readonly controlFramesMax: number;
  /** Empty DATA frames without END_STREAM, per `abuseWindowMs`. */
  readonly emptyDataMax: number;
  readonly abuseWindowMs: number;
  /** Answers (HEADERS, SETTINGS and PING ACK, RST, WINDOW_UPDATE) that may wait for a peer that does not read. */
  readonly unsentControlMaxBytes: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;

export const DEFAULT_LIMITS: HboneLimits = {
  streamWindowBytes: 4 * MIB,
  connectionWindowBytes: 16 * MIB,
  frameSizeMaxBytes: MIB,
  headerListMaxBytes: 64 * KIB,
  headerCountMax: 128,
  headerBlockMaxBytes: 64 * KIB,
  continuationMax: 16,
  serverStreamsMax: 200,
  clientStreamsMax: 100,
  connectTimeoutMs: 10_000,
  handshakeTimeoutMs: 10_000,
  answerTimeoutMs: 20_000,
  pingIntervalMs: 10_000,
  pingTimeoutMs: 20_000,
  idleReleaseMs: 300_000,
  silenceMs: 2000,
  signOfLifeMs: 2000,
  poolWaitersMax: 16_384,
  poolSessionsMax: 256,
  resetsMax: 200,
  controlFramesMax: 1000,
  emptyDataMax: 100,
  abuseWindowMs: 1000,
  unsentControlMaxBytes: 256 * KIB,
};

/** What a client announces as the largest header list it takes (an answer has few headers). */
export const CLIENT_HEADER_LIST_MAX_BYTES: number = 16 * KIB;
