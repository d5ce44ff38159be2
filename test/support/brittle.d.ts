/** Ambient types for the test runner, which ships none; only what the tests call. */

declare module 'brittle' {
  export interface Assert {
    pass(message?: string): void
    fail(message?: string): void
    ok(value: unknown, message?: string): void
    absent(value: unknown, message?: string): void
    is(actual: unknown, expected: unknown, message?: string): void
    not(actual: unknown, expected: unknown, message?: string): void
    alike(actual: unknown, expected: unknown, message?: string): void
    unlike(actual: unknown, expected: unknown, message?: string): void
    exception(act: () => unknown, error?: unknown, message?: string): Promise<void>
    execution(act: () => unknown, message?: string): Promise<void>
    comment(...message: unknown[]): void
    teardown(act: () => unknown, options?: { readonly order?: number; readonly force?: boolean }): void
    timeout(milliseconds: number): void
    tmp(): Promise<string>
  }

  export interface TestOptions {
    readonly timeout?: number
    readonly skip?: boolean
    readonly todo?: boolean
    readonly solo?: boolean
  }

  type Body = (t: Assert) => void | Promise<void>

  export function test(name: string, body: Body): Promise<boolean>
  export function test(name: string, options: TestOptions, body: Body): Promise<boolean>
}
