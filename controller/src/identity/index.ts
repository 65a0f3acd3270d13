export { type ControllerIdentity, type IdentityOptions, openIdentity } from './controller-identity.ts';
export { issueJoinToken, revokeNode } from './operator-commands.ts';
