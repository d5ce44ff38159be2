/**
 * The guides that `p2psync help <topic>` prints, in reading order. Each is `src/guides/<name>.md`, and the man page
 * `p2psync-<name>(7)`. The list is code so that completions and the list of topics need no file.
 */
export const guideList: ReadonlyArray<readonly [name: string, summary: string]> = [
  ['networking', 'how peers find each other, and which connection carries'],
  ['nat', 'peers behind home routers and mobile networks'],
  ['private-dht', 'without the public DHT: run one of your own'],
  ['versions-and-gc', 'old versions: read them, restore them, free their space'],
  ['trust-and-threats', 'who can do what, and what is not protected'],
  ['events', 'JSON output, the Node API and the control socket'],
  ['nas', 'run on a NAS or a server, unattended'],
  ['two-way', 'editing on several machines: what one-way does today'],
  ['troubleshooting', 'exit codes, error codes, and what to do about them']
]

/** The name of a guide's man page, without its section. */
export function guidePageName(name: string): string {
  return `p2psync-${name}`
}
