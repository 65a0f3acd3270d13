export { BlockingSocket, type BlockingSocketOptions } from './blocking-socket.ts';
export * from './descriptor-channel.ts';
export * from './errors.ts';
export { tuneMalloc } from './malloc.ts';
export { enterMountNamespace } from './mount-namespace.ts';
export { NetnsHandle, type NetnsIdentity, runInNetns, sameNetns } from './netns.ts';
export { duplicateDescriptor, isListenedOn, listeningPortOf } from './listening-socket.ts';
export * from './netns-socket.ts';
export * from './datagram-batch.ts';
export * from './datagram-socket.ts';
export { descriptorOf, selfTestNodeInternals } from './node-internals.ts';
export {
  readLocalAddressOfFd,
  readOriginalDestination,
  readOriginalDestinationOfFd,
  readPeerAddressOfFd,
} from './original-destination.ts';
export { forgetTrackedConnections, readRulesetGeneration } from './netfilter-netlink.ts';
export * from './netns-command.ts';
export { capturePackets, type PacketCapture } from './packet-socket.ts';
export { sendBytes } from './send-bytes.ts';
export { ReadySockets } from './ready-sockets.ts';
