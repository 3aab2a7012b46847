// Small helpers for the page's elements.

/** The element with this test id, which every part of the page has that shows something. */
export function part<E extends HTMLElement = HTMLElement>(name: string): E {
  const found = document.querySelector<E>(`[data-testid="${name}"]`)
  if (found === null) throw new Error(`the page has no part ${name}`)
  return found
}

export function byId<E extends HTMLElement = HTMLElement>(id: string): E {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`the page has no element ${id}`)
  return found as E
}

/** Sets a text only if it is another one, so that live regions speak only of changes. */
export function say(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text
}

export function make(tag: string, text: string, className = ''): HTMLElement {
  const element = document.createElement(tag)
  element.textContent = text
  if (className !== '') element.className = className
  return element
}

export function button(text: string, press: () => void): HTMLButtonElement {
  const made = document.createElement('button')
  made.type = 'button'
  made.textContent = text
  made.addEventListener('click', press)
  return made
}

/** Opens a sheet, if it is not open, and closes every other one. */
export function openSheet(id: string): void {
  const sheet = byId<HTMLDialogElement>(id)
  for (const other of document.querySelectorAll('dialog')) if (other !== sheet && other.open) other.close()
  if (!sheet.open) sheet.showModal()
}

export function closeSheets(): void {
  for (const sheet of document.querySelectorAll('dialog')) if (sheet.open) sheet.close()
}

/** Puts a text where it can be pasted, and says so. */
export async function copy(text: string, told: HTMLElement): Promise<void> {
  try {
    await navigator.clipboard.writeText(text)
    say(told, 'Copied.')
  } catch {
    say(told, 'This browser does not let the page copy: mark the text and copy it yourself.')
  }
}
