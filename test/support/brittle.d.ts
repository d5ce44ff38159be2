/** Ambient types for brittle, which ships none; only what the tests call. */

declare module 'brittle' {
  export interface Assertion {
    is(actual: unknown, expected: unknown, message?: string): void
    alike(actual: unknown, expected: unknown, message?: string): void
    ok(value: unknown, message?: string): void
    absent(value: unknown, message?: string): void
    execution(run: (() => unknown) | Promise<unknown>, message?: string): Promise<boolean>
    readonly exception: {
      all(run: (() => unknown) | Promise<unknown>, expected?: RegExp, message?: string): Promise<boolean>
    }
    tmp(): Promise<string>
    teardown(run: () => unknown): void
  }

  export interface TestOptions {
    readonly timeout?: number
    readonly skip?: boolean
  }

  export function test(name: string, run: (t: Assertion) => unknown): Promise<boolean>
  export function test(name: string, options: TestOptions, run: (t: Assertion) => unknown): Promise<boolean>
}
