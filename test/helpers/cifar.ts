import { existsSync, readdirSync, readFileSync } from 'node:fs'

/** The shared data set is optional: tests that need it skip where it is absent. */
const DATA = new URL('../../../shared/data/', import.meta.url)
export const hasSharedData = existsSync(new URL('priors/reference.json', DATA))

export interface Reference {
  inputRedRow0: number[][]
  features: Record<string, number[][]>
}

export const readReference = (): Reference =>
  JSON.parse(readFileSync(new URL('priors/reference.json', DATA), 'utf8')) as Reference

export const zooModel = (name: string): URL => new URL(`priors/${name}.onnx`, DATA)
export const zooNames = (): string[] =>
  hasSharedData
    ? readdirSync(new URL('priors/', DATA))
        .filter(f => f.endsWith('.onnx'))
        .map(f => f.slice(0, -'.onnx'.length))
    : []

/** The first `count` JPEG files of the unlabelled set, read from the tar's 512-byte headers. */
export function cifarImages(count: number): { id: string; bytes: Uint8Array }[] {
  const tar = readFileSync(new URL('cifar10/unlabeled-u-00.tar', DATA))
  const images: { id: string; bytes: Uint8Array }[] = []
  for (let at = 0; at + 512 <= tar.length && images.length < count;) {
    const text = (from: number, length: number) =>
      tar.toString('latin1', at + from, at + from + length).replace(/\0.*$/s, '')
    const size = Number.parseInt(text(124, 12), 8)
    if (Number.isNaN(size)) break
    const name = text(0, 100)
    if (name.endsWith('.jpg'))
      images.push({ id: name.split('/').pop() as string, bytes: tar.subarray(at + 512, at + 512 + size) })
    at += 512 + Math.ceil(size / 512) * 512
  }
  return images.sort((a, b) => (a.id < b.id ? -1 : 1))
}

/** Class of every image of the unlabelled set by file name: for evaluation, and for tests in which people label. */
export function cifarLabels(): Map<string, string> {
  const lines = readFileSync(new URL('cifar10/labels-u.csv', DATA), 'utf8').trim().split('\n').slice(1)
  return new Map(lines.map(line => line.split(',') as [string, string]))
}
