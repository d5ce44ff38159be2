/** The error that `act` throws or rejects with; throws if `act` succeeds. */
export async function failureOf(act: () => unknown): Promise<unknown> {
  let answer: unknown
  try {
    answer = await act()
  } catch (error) {
    return error
  }
  throw new Error(`Succeeded, and answered ${String(answer)}`)
}

/** The code of the error that `act` throws or rejects with. */
export async function codeOf(act: () => unknown): Promise<unknown> {
  return ((await failureOf(act)) as { readonly code?: unknown }).code
}
