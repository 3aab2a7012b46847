// Invitations as people paste them: mailers wrap them and quote them, editors add what cannot be seen, chat programs escape
// them. What can be read in one way only is read; of anything else is said what is wrong with it.

import { bad } from './arguments.js'

/** Marks and blanks that belong to the text around, and characters that cannot be seen. */
const AROUND = '[\\s<>"\'`“”„«»‘’()\\[\\]]'
const UNSEEN = /[\u200b-\u200f\u2060\ufeff\u00ad]/g
/** What ends a word in a sentence. */
const AFTER = /[.,;:!?)\]>]+$/

/**
 * The one invitation in a text.
 *
 * @throws {@link RillError} `bad_request`
 */
export function readInvitation(pasted: string): string {
  // A mailer puts `> ` before each line of what it quotes, and breaks a long line anywhere.
  const lines = pasted.replace(UNSEEN, '').split(/\r\n|\r|\n/).map((line) => line.replace(/^\s*(>\s*)+/, '').trim())
  const plain = lines.join('').replace(/&amp;|&#38;|&#x26;/gi, '&')
  const starts = [...plain.matchAll(/rill:\/\//gi)].map(({ index }) => index)
  if (starts.length === 0) {
    throw bad(plain === '' ? 'the invitation is empty' : 'this is no invitation: one starts with rill:// and is a single long line')
  }
  const found = new Set(starts.map((from, n) => trimmed(plain.slice(from, starts[n + 1] ?? plain.length))))
  const [only, ...others] = found
  if (only === undefined || others.length > 0) {
    throw bad(`there are ${found.size} different invitations in this text: paste only the one that is meant`)
  }
  const stray = /[^\x21-\x7e]/.exec(only)
  if (stray !== null) {
    throw bad(`the invitation has a character that does not belong there after "${only.slice(Math.max(0, stray.index - 12), stray.index)}": copy it again`)
  }
  return only
}

function trimmed(text: string): string {
  const bare = text.replace(/^rill:/i, 'rill:').replace(new RegExp(`${AROUND}+$`), '').replace(AFTER, '')
  return bare.replace(new RegExp(`${AROUND}+$`), '')
}
