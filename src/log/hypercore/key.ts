import b4a from 'b4a'
import ids from 'hypercore-id-encoding'
import { SyncError } from '../../errors.ts'

/** A longer text in place of a key is cut in messages. */
const shownMax = 70

/**
 * The bytes of a key in its printed form: 52 letters of z-base-32, or 64 hexadecimal digits.
 *
 * @throws {SyncError} BAD_KEY
 */
export function parseKey(text: string): Uint8Array {
  const key = text.trim()
  if (key.length !== 52 && key.length !== 64) {
    throw new SyncError(
      'BAD_KEY',
      `Not a key: ${shown(key)} has ${key.length} characters. A key has 52 letters and digits`
    )
  }
  const alphabet = key.length === 52 ? /^[ybndrfg8ejkmcpqxot1uwisza345h769]+$/ : /^[0-9a-f]+$/i
  if (!alphabet.test(key)) {
    const bad = [...key].find((character) => !alphabet.test(character))
    throw new SyncError(
      'BAD_KEY',
      `Not a key: ${shown(key)} has the character ${JSON.stringify(bad)}, which no key has`
    )
  }
  return b4a.from(ids.decode(key.length === 64 ? key.toLowerCase() : key))
}

/** The printed form of a key. */
export function printKey(key: Uint8Array): string {
  return ids.encode(key)
}

function shown(key: string): string {
  return JSON.stringify(key.length > shownMax ? `${key.slice(0, shownMax)}…` : key)
}
