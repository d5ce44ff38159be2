import { test } from 'brittle'
import {
  type Finding,
  judgeClock,
  judgeCongestion,
  judgeDht,
  judgeDisk,
  judgeMemory,
  judgeMulticast,
  judgeNat,
  judgeNode,
  judgeNotifications,
  judgeSpace,
  judgeTcpPort,
  judgeUdp
} from '../../src/care/checks.ts'
import { exactFileSystem } from '../../src/tree/file-system.ts'

const show = (bytes: number) => `${bytes} B`
const own = (host: string) => host.startsWith('10.')
const reached = [{ node: 'a:1', rttMs: 0.2 }]

/** As whom four nodes see one socket. */
function seenAs(...addresses: readonly string[]) {
  return {
    nodes: reached,
    open: false,
    seenAs: addresses.map((text) => {
      const [host = '', port] = text.split(':')
      return { host, port: Number(port) }
    })
  }
}

const nowMs = Date.UTC(2026, 5, 1)
const clock = { nowMs, lastMs: undefined, jumpMs: 0 }
const watches = { watchesMax: 8192, instancesMax: 128, reason: undefined, directories: undefined, isCounted: false }
const eth = { interface: 'eth0 (10.0.0.1)', heard: true, others: 0 }
const wifi = { interface: 'wlan0 (10.0.1.1)', heard: false, others: 0, reason: 'not permitted' }
const process = { pid: 7, args: ['/usr/bin/node', '/opt/p2psync/bin/p2psync.js', 'share'] }

const cases: ReadonlyArray<[name: string, finding: Finding, state: Finding['state'], says: RegExp]> = [
  ['UDP that leaves', judgeUdp({ from: '10.0.0.1' }, false), 'ok', /leave from 10\.0\.0\.1/],
  ['no route', judgeUdp({ reason: 'ENETUNREACH' }, false), 'failure', /no route.*→ .*--bootstrap none/],
  [
    'no route, where none is needed',
    judgeUdp({ reason: 'ENETUNREACH' }, true),
    'warning',
    /no route.*→ .*local network/
  ],
  ['UDP that is forbidden', judgeUdp({ reason: 'EPERM' }, true), 'failure', /EPERM.*→/],

  ['a DHT', judgeDht({ ...seenAs(), nodes: reached }, true), 'ok', /^public, reached in 1 ms$/],
  [
    'a silent node of two',
    judgeDht({ ...seenAs(), nodes: [...reached, { node: 'b:2' }] }, false),
    'ok',
    /1 of its first 2/
  ],
  [
    'a silent private DHT',
    judgeDht({ ...seenAs(), nodes: [{ node: 'b:2' }] }, false),
    'failure',
    /b:2 → is p2psync bootstrap/
  ],
  ['a silent public DHT', judgeDht({ ...seenAs(), nodes: [{ node: 'b:2' }] }, true), 'failure', /→ let UDP out/],
  [
    'a name that nobody knows',
    judgeDht({ ...seenAs(), nodes: [{ node: 'nas:2', reason: 'its name is not known' }] }, false),
    'failure',
    /nas:2 \(its name is not known\)/
  ],

  ['no NAT', judgeNat(seenAs('10.0.0.1:5', '10.0.0.1:5', '10.0.0.1:5'), own), 'ok', /^none on the way/],
  ['one port for all', judgeNat(seenAs('1.2.3.4:5', '1.2.3.4:5', '1.2.3.4:5'), own), 'ok', /^easy.*1\.2\.3\.4:5/],
  [
    'a port for each',
    judgeNat(seenAs('1.2.3.4:5', '1.2.3.4:6', '1.2.3.4:7'), own),
    'warning',
    /^hard.*→ forward a TCP port/
  ],
  ['ports that differ now and then', judgeNat(seenAs('1.2.3.4:5', '1.2.3.4:5', '1.2.3.4:7'), own), 'warning', /^hard/],
  ['too few nodes', judgeNat(seenAs('1.2.3.4:5', '1.2.3.4:5'), own), 'warning', /^not known: 2 nodes.*→/],
  ['no nodes', judgeNat({ ...seenAs(), nodes: [{ node: 'b:2' }] }, own), 'warning', /^not known, since the DHT/],
  [
    'an open port',
    judgeNat({ ...seenAs('1.2.3.4:5', '1.2.3.4:5', '1.2.3.4:5'), open: true }, own),
    'ok',
    /^open: .*1\.2\.3\.4:5/
  ],

  ['a network that carries to all', judgeMulticast([{ ...eth, others: 3 }], false), 'ok', /eth0.*; 3 other machines/],
  ['a network with nobody on it', judgeMulticast([eth], false), 'ok', /nobody else answers/],
  ['one network of two', judgeMulticast([eth, wifi], true), 'warning', /works on eth0.*not on wlan0.*not permitted.*→/],
  ['no network that works', judgeMulticast([wifi], false), 'warning', /does not work: wlan0.*→ let UDP port 5353/],
  ['no network that works, nor a DHT', judgeMulticast([wifi], true), 'failure', /does not work/],
  ['no network', judgeMulticast([], false), 'warning', /no network but loopback/],

  ['any TCP port', judgeTcpPort(undefined, undefined, undefined), 'ok', /a port can be opened/],
  ['a free TCP port', judgeTcpPort(7000, undefined, undefined), 'ok', /7000 can be opened/],
  ['a TCP port of ours', judgeTcpPort(7000, 'EADDRINUSE', process), 'ok', /7000 is in use by p2psync, process 7/],
  [
    'a TCP port of somebody who works on p2psync',
    judgeTcpPort(7000, 'EADDRINUSE', { pid: 8, args: ['vim', '/src/p2psync/README.md'] }),
    'failure',
    /in use by process 8 \(vim .*→ end it/
  ],
  ['a TCP port of nobody knows whom', judgeTcpPort(7000, 'EADDRINUSE', undefined), 'failure', /another process.*→/],
  ['a TCP port for root', judgeTcpPort(80, 'EACCES', undefined), 'failure', /may not.*→ .*1024/],

  ['cubic', judgeCongestion('cubic'), 'ok', /far lossy lines, where UDP/],
  ['bbr', judgeCongestion('bbr'), 'ok', /fast over far/],

  ['enough watches', judgeNotifications({ ...watches, directories: 7000, isCounted: true }), 'ok', /has 7000 dir/],
  [
    'too few watches',
    judgeNotifications({ ...watches, directories: 7500, isCounted: true }),
    'failure',
    /up to 8192.*has 7500.*→ sysctl fs\.inotify\.max_user_watches=524288/
  ],
  [
    'far too few watches',
    judgeNotifications({ ...watches, directories: 600_000 }),
    'failure',
    /more than 600000.*→ sysctl fs\.inotify\.max_user_watches=2097152/
  ],
  ['no more watches', judgeNotifications({ ...watches, reason: 'ENOSPC' }), 'failure', /all 8192 watches.*→ sysctl/],
  ['no more instances', judgeNotifications({ ...watches, reason: 'EMFILE' }), 'failure', /→ .*instances=1024/],

  ['a good disk', judgeDisk({ traits: exactFileSystem, keepsLinks: true }), 'ok', /^tells case/],
  [
    'a stick',
    judgeDisk({
      traits: { ...exactFileSystem, foldsCase: true, keepsModes: false, timeStepMs: 2000 },
      keepsLinks: false
    }),
    'warning',
    /A and a.*permissions.*2000 ms.*no symlinks →/
  ],
  [
    'coarse times alone',
    judgeDisk({ traits: { ...exactFileSystem, timeStepMs: 10 }, keepsLinks: true }),
    'ok',
    /10 ms/
  ],

  ['room', judgeSpace({ freeBytes: 2e9, totalBytes: 9e9, freeFiles: 1e6 }, '/x', show), 'ok', /disk of \/x$/],
  [
    'less than 5 %',
    judgeSpace({ freeBytes: 2e9, totalBytes: 90e9, freeFiles: 1e6 }, '/x', show),
    'warning',
    /→ free some/
  ],
  [
    'less than 1 GB',
    judgeSpace({ freeBytes: 9e8, totalBytes: 1e9, freeFiles: 1e6 }, '/x', show),
    'warning',
    /→ free some/
  ],
  [
    'no more files',
    judgeSpace({ freeBytes: 2e9, totalBytes: 9e9, freeFiles: 9 }, '/x', show),
    'warning',
    /only 9 more/
  ],
  [
    'no limit of files',
    judgeSpace({ freeBytes: 2e9, totalBytes: 9e9, freeFiles: undefined }, '/x', show),
    'ok',
    /free/
  ],

  ['a likely time', judgeClock(clock), 'ok', /^2026-06-01T00:00:00Z/],
  [
    'a machine without a battery',
    judgeClock({ ...clock, nowMs: 1000 }),
    'warning',
    /the clock shows 1970.*→ set the clock/
  ],
  ['a time before what was written', judgeClock({ ...clock, lastMs: nowMs + 90_000 }), 'warning', /wrote here at 2026/],
  ['a time just after', judgeClock({ ...clock, lastMs: nowMs + 30_000 }), 'ok', /2026/],
  ['a time that jumps', judgeClock({ ...clock, jumpMs: -7200_000 }), 'warning', /set by -7200 s/],

  ['this Node', judgeNode('20.19.0', [20, 19]), 'ok', /20\.19\.0/],
  ['a later Node', judgeNode('24.1.0', [20, 19]), 'ok', /24/],
  ['an old Node', judgeNode('20.18.3', [20, 19]), 'failure', /→ install Node\.js 20\.19/],

  ['memory', judgeMemory(1e9, 2e9, show), 'ok', /1000000000 B/],
  ['a tight container', judgeMemory(1e8, 2e9, show), 'warning', /→ give it/],
  ['a tight heap', judgeMemory(1e9, 1e8, show), 'warning', /→ give it/]
]

for (const [name, { state, message, advice }, wanted, says] of cases) {
  test(`${name}: ${wanted}`, (t) => {
    const all = advice === undefined ? message : `${message} → ${advice}`
    t.is(state, wanted, all)
    t.ok(says.test(all), all)
  })
}
