export function repeat(count: number, act: (i: number) => void): void {
  for (let i = 0; i < count; i++) act(i)
}
