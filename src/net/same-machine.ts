export class SameMachine {
  constructor(_o: unknown) {}
  get heard(): boolean {
    return false
  }
  get working(): boolean {
    return false
  }
  async close(): Promise<void> {}
}
