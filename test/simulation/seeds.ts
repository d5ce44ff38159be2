/** The seeds that `P2PSYNC_SEEDS=1,2,3` replays; if unset, one seed from the clock, and `others`. */
export function seedsWith(...others: readonly number[]): readonly number[] {
  return process.env.P2PSYNC_SEEDS?.split(',').map(Number) ?? [Date.now() % 1e9, ...others]
}

/** How many rounds each seed takes: `P2PSYNC_ROUNDS`, or `usual`. */
export function roundsOr(usual: number): number {
  return Number(process.env.P2PSYNC_ROUNDS ?? usual)
}
