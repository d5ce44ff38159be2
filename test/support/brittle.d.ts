/** Ambient types for the test runner, which ships none; only the parts that the tests use. */

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
    readonly exception: {
      (act: () => unknown, error?: unknown, message?: string): Promise<void>
      all(act: (() => unknown) | Promise<unknown>, expected?: RegExp, message?: string): Promise<boolean>
    }
    execution(act: (() => unknown) | Promise<unknown>, message?: string): Promise<boolean>
    comment(...message: unknown[]): void
    teardown(act: () => unknown, options?: { readonly order?: number; readonly force?: boolean }): void
    timeout(milliseconds: number): void
    tmp(): Promise<string>
    /** A nested test, which runs concurrently until awaited. */
    test(name: string, options: TestOptions, body: Body): Promise<boolean>
  }

  export interface TestOptions {
    readonly timeout?: number
    readonly skip?: boolean
    readonly todo?: boolean
    readonly solo?: boolean
  }

  type Body = (t: Assert) => unknown

  export function test(name: string, body: Body): Promise<boolean>
  export function test(name: string, options: TestOptions, body: Body): Promise<boolean>
}
