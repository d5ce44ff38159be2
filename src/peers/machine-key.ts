import { identityDirectory, readIdentity } from '../disk/state/identity.ts'
import { printKey } from '../log/hypercore/key.ts'

/**
 * The public key by which peers know this machine, in printed form. The first call creates the key pair, in
 * `p2psync/identity` beneath `$XDG_STATE_HOME` (`~/.local/state`).
 *
 * @throws {SyncError} IDENTITY_UNUSABLE
 */
export function machineKey(env: NodeJS.ProcessEnv = process.env): string {
  return printKey(readIdentity(identityDirectory(env)).publicKey)
}
