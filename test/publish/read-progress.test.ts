import { test } from 'brittle'
import { Monitor, type SyncEvent } from '../../src/folder/monitor.ts'
import { ReadProgress } from '../../src/publish/read-progress.ts'

test('progress counts files and bytes, and the total of bytes grows with a file that does', (t) => {
  const events: SyncEvent[] = []
  const monitor = new Monitor()
  monitor.subscribe((event) => events.push(event))
  const progress = new ReadProgress({ files: 2, bytes: 100 }, monitor)
  progress.addBytes(60)
  progress.addFile()
  progress.addBytes(70)
  progress.addFile()
  progress.report()
  const told = (files: number, bytes: number, bytesTotal: number) => {
    return { type: 'progress', phase: 'publish', files, filesTotal: 2, bytes, bytesTotal }
  }
  t.alike(events, [told(0, 60, 100), told(1, 130, 130), told(2, 130, 130)])
})
