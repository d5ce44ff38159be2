/**
 * Whether the environment forbids multicast on the local networks, whatever the options ask for: `P2PSYNC_NO_LAN` does,
 * unless it is empty, `0` or `false`.
 */
export function isLanForbidden(env: NodeJS.ProcessEnv = process.env): boolean {
  return !['', '0', 'false'].includes(env.P2PSYNC_NO_LAN ?? '')
}
