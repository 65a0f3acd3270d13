export { type ControllerIdentity, type IdentityOptions, openIdentity } from './controller-identity.ts';
export { IdentityError } from './errors.ts';
export { createKubernetesIdentity } from './kubernetes-identity.ts';
export { issueJoinToken, revokeInCluster, revokeNode, revokeWorkload } from './operator-commands.ts';
export { AUTHORITY_SECRETS, AuthorityKeeper } from './secrets/authority-keeper.ts';
export { SecretAuthority } from './secrets/secret-authority.ts';
export { SecretStore } from './secrets/secret-store.ts';
export {
  followSessionSecret,
  keepSessionSecret,
  type SessionSecretOptions,
  stepSessionSecret,
} from './sessions/session-secret-keeper.ts';
export { secretsInUse } from './sessions/decide-session-secret.ts';
export { sessionSecretFile, sessionSecretIn } from './sessions/session-secret-store.ts';
