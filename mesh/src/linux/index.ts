export * from './descriptor-channel.ts';
export * from './errors.ts';
export { NetnsHandle, type NetnsIdentity, runInNetns, sameNetns } from './netns.ts';
export * from './netns-socket.ts';
export { descriptorOf, selfTestNodeInternals } from './node-internals.ts';
export { readOriginalDestination, readOriginalDestinationOfFd } from './original-destination.ts';
export { forgetTrackedConnections, readRulesetGeneration } from './netfilter-netlink.ts';
export * from './netns-command.ts';
export { capturePackets, type PacketCapture } from './packet-socket.ts';
