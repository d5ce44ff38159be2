import { SyncError } from '../errors.ts'

/** For operations without parameters. */
export type NoParams = Readonly<Record<string, never>>

/** The type of an operation's parameter. */
export type ParamType = 'text' | 'number' | 'integer' | 'flag' | 'texts'

/** The parameters of an operation; a `?` marks those that may be left out. */
export type Schema = Readonly<Record<string, ParamType | `${ParamType}?`>>

/**
 * Parses parameters: JSON values, or the texts of a query.
 *
 * @throws {SyncError} USAGE
 */
export function parseParams(schema: Schema, given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const params: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(given)) {
    const type = Object.hasOwn(schema, name) ? schema[name] : undefined
    if (type === undefined) throw new SyncError('USAGE', `There is no parameter ${name}`)
    if (value !== undefined && value !== null) params[name] = parsers[type.replace('?', '') as ParamType](name, value)
  }
  for (const [name, type] of Object.entries(schema)) {
    if (!type.endsWith('?') && params[name] === undefined)
      throw new SyncError('USAGE', `The parameter ${name} is missing`)
  }
  return params
}

function parseNumber(name: string, value: unknown): number {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  if (typeof number === 'number' && Number.isFinite(number)) return number
  throw new SyncError('USAGE', `The parameter ${name} is to be a number`)
}

const parsers: Readonly<Record<ParamType, (name: string, value: unknown) => unknown>> = {
  text: (name, value) => {
    if (typeof value === 'string') return value
    throw new SyncError('USAGE', `The parameter ${name} is to be a text`)
  },
  number: parseNumber,
  integer: (name, value) => {
    const number = parseNumber(name, value)
    if (Number.isInteger(number)) return number
    throw new SyncError('USAGE', `The parameter ${name} is to be a whole number`)
  },
  flag: (name, value) => {
    if (value === true || value === 'true' || value === '1' || value === '') return true
    if (value === false || value === 'false' || value === '0') return false
    throw new SyncError('USAGE', `The parameter ${name} is to be true or false`)
  },
  texts: (name, value) => {
    const texts = typeof value === 'string' ? [value] : value
    if (Array.isArray(texts) && texts.every((text) => typeof text === 'string')) return texts
    throw new SyncError('USAGE', `The parameter ${name} is to be a list of texts`)
  }
}
