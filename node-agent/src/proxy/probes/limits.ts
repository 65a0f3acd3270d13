/** Bounds of probes at one pod. A kubelet runs three per container at most, one at a time each. */
export const PROBE_LIMITS = {
  /** Probing connections of one pod at once. When full, the one that has said nothing for longest is closed; else the new one. */
  concurrent: 64,
  /** Time to say what is asked. A kubelet has it ready when it connects. */
  requestMs: 3000,
  /** Head of the application's answer, as in Node's own client. */
  answerBytes: 16_384,
  /** Answers that lead on to another path; as many as a kubelet follows. */
  redirects: 10,
  /** One health check message, either way; the longest service name is a tenth of it. */
  healthMessageBytes: 4096,
} as const;
