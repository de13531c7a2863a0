/**
 * Every file below a folder, by name. Links to files count as files. Links to folders are followed, each folder once and after all that
 * are there in person, so that a link never hides what it points to and a circle ends. Hidden files are named as such.
 */
import { opendir, realpath, stat } from 'node:fs/promises'
import { isAbsolute, join, relative, sep } from 'node:path'
import { InvalidInputError } from '../../src/errors.ts'
import { isHiddenName } from './hidden-names.ts'

export interface WalkedFile {
  /** Path below the folder */
  readonly name: string
  /** `link`: to nothing, to a folder that was read already, or to one that holds the folder itself. `special`: a socket, a pipe, a device */
  readonly status: 'file' | 'hidden' | 'link' | 'special'
}

/** In the order of the file system. Throws `InvalidInputError` for a folder that cannot be read. */
export async function* walkFolder(root: string, signal?: AbortSignal): AsyncGenerator<WalkedFile> {
  const read = new Set<string>()
  const own = await realpath(root)
  const links: string[] = []
  yield* below([{ path: '', isHidden: false }])
  for (let link = links.shift(); link !== undefined; link = links.shift()) {
    const target = await realpath(join(root, link))
    // a folder that holds this one would bring in what was never named
    if (holds(target, own) || read.has(await identity(join(root, link)))) yield { name: link, status: 'link' }
    else yield* below([{ path: link, isHidden: false }])
  }

  async function* below(pending: { path: string; isHidden: boolean }[]): AsyncGenerator<WalkedFile> {
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const folder = join(root, next.path)
      const id = await identity(folder)
      // within a folder that a link led to, there may be one that another link led to before
      if (read.has(id)) {
        yield { name: next.path, status: 'link' }
        continue
      }
      read.add(id)
      for await (const entry of await open(folder)) {
        signal?.throwIfAborted()
        const name = join(next.path, entry.name)
        const isHidden = next.isHidden || isHiddenName(entry.name)
        if (entry.isDirectory()) pending.push({ path: name, isHidden })
        else if (isHidden) yield { name, status: 'hidden' }
        else if (!entry.isSymbolicLink()) yield { name, status: entry.isFile() ? 'file' : 'special' }
        else {
          const target = await targetOf(join(root, name))
          if (target === 'folder') links.push(name)
          else yield { name, status: target }
        }
      }
    }
  }
}

// --- internal ---

/** Is `folder` the same as `other`, or above it? */
function holds(folder: string, other: string): boolean {
  const way = relative(folder, other)
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)
}

async function identity(folder: string): Promise<string> {
  // as big integers: file systems number beyond 2^53
  const { dev, ino } = await stat(folder, { bigint: true })
  return `${dev}:${ino}`
}

async function open(folder: string): Promise<Awaited<ReturnType<typeof opendir>>> {
  try {
    return await opendir(folder)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new InvalidInputError(`${folder} cannot be read: ${reason}`, { cause })
  }
}

async function targetOf(link: string): Promise<'folder' | 'file' | 'link' | 'special'> {
  try {
    const facts = await stat(link)
    return facts.isDirectory() ? 'folder' : facts.isFile() ? 'file' : 'special'
  } catch {
    // to nothing, or in a circle of links
    return 'link'
  }
}
