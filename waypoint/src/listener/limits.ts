/** Tunnels and connections of clients that one data worker serves at a time. */
export const CLIENT_CONNECTIONS_MAX = 32_768;
/** TCP connections that one listener of one data worker holds; each may carry as many tunnels as `HboneLimits` says. */
export const LISTENER_SOCKETS_MAX = 8192;
