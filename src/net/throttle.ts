import type { Throttles } from './wire.ts'

export type { Throttles } from './wire.ts'
export function throttle(_stream: unknown, _throttles: Throttles): void {}
