/**
 * How often a lived-in host makes and closes a socket. Less than a tick of the kernel's timer at its usual 250 Hz, so that the kernel always
 * has something to tidy up, as it has on a node where connections come and go.
 */
export const CHORE_MS = 3;
