/**
 * Whether whoever runs this process wants nothing to be sent to all on the local networks, whatever the program in it
 * asks for: `P2PSYNC_NO_LAN` says so, unless it is empty, `0` or `false`.
 */
export function isLanForbidden(env: NodeJS.ProcessEnv = process.env): boolean {
  return !['', '0', 'false'].includes(env.P2PSYNC_NO_LAN ?? '')
}
