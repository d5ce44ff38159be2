import { test } from 'brittle'
import { SyncError } from '../../src/errors.ts'
import { Monitor, type SyncEvent } from '../../src/folder/monitor.ts'

function monitorWithEvents() {
  const monitor = new Monitor()
  const events: SyncEvent[] = []
  const unsubscribe = monitor.subscribe((event) => events.push(event))
  return { monitor, events, unsubscribe }
}

test('listeners hear events until they unsubscribe', (t) => {
  const { monitor, events, unsubscribe } = monitorWithEvents()
  monitor.emit({ type: 'notice', message: 'a' })
  unsubscribe()
  monitor.emit({ type: 'notice', message: 'b' })
  t.alike(events, [{ type: 'notice', message: 'a' }])
})

test('a problem is reported again only when it changes', (t) => {
  const { monitor, events } = monitorWithEvents()
  const problem = { path: 'a', action: 'read', message: 'one' } as const
  monitor.problem(problem)
  monitor.problem(problem)
  monitor.problem({ ...problem, message: 'two' })
  t.alike(
    events.map((event) => event.type === 'problem' && event.message),
    ['one', 'two']
  )
  t.alike(monitor.problems, [{ ...problem, message: 'two' }])
  monitor.solve(({ path }) => path === 'a')
  t.alike(monitor.problems, [])
})

test('of problems the oldest are forgotten, beyond 10,000', (t) => {
  const { monitor } = monitorWithEvents()
  for (let i = 0; i <= 10_000; i++) monitor.problem({ path: String(i), action: 'read', message: 'bad' })
  t.is(monitor.problems.length, 10_000)
  t.is(monitor.problems[0]?.path, '1')
})

const system = Object.assign(new Error('EACCES: permission denied, open'), { code: 'EACCES', path: '/dir' })
const cases: ReadonlyArray<[name: string, error: unknown, code: string, message: RegExp]> = [
  ['of ours', new SyncError('HALTED', 'gone'), 'HALTED', /^gone$/],
  ['of the system', system, 'DISK_FAILED', /permission denied on \/dir/],
  ['unknown', new TypeError('odd'), 'UNEXPECTED', /TypeError: odd/],
  ['no error at all', 'text', 'UNEXPECTED', /^text$/]
]
for (const [name, error, code, message] of cases) {
  test(`an error ${name} is reported as ${code}`, (t) => {
    const { monitor, events } = monitorWithEvents()
    monitor.error(error)
    const [event] = events
    t.is(event?.type === 'error' && event.code, code)
    t.ok(event?.type === 'error' && message.test(event.message))
  })
}
