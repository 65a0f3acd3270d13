type AdmissionLimit = 'bodyBytesMax' | 'requestMs' | 'keepAliveMs' | 'connectionsMax' | 'headersBytesMax';

/** Bounds of the admission webhook. */
export const ADMISSION_LIMITS: Readonly<Record<AdmissionLimit, number>> = {
  /** A review holds the object twice; the API server stores none above 1.5 MB. */
  bodyBytesMax: 4 * 1024 * 1024,
  /** From the first byte to the last; the API server itself waits 30 s at most. */
  requestMs: 10_000,
  keepAliveMs: 60_000,
  /** One API server needs a few. */
  connectionsMax: 128,
  headersBytesMax: 16 * 1024,
};

/** How often the webhook's configuration is looked at, besides at once after a change of the roots. */
export const CA_BUNDLE_POLL_MS = 10_000;
