/** Preprocessing in words: what `coopt prior check` shows and `join` warns of. */
import type { ImageInput } from '../../src/optimize/onnx-facts.ts'
import type { PriorDescriptor } from '../../src/optimize/prior.ts'
import type { Preprocessing, ResizeTo } from '../../src/optimize/preprocessing.ts'

/** One line per step, in order; first what was assumed. */
export function describePreprocessing(p: Preprocessing, input: Pick<ImageInput, 'layout' | 'channels'>): string[] {
  const lines = assumptions(p)
  lines.push(input.channels === 1 ? 'decode to grey (ITU-R 601)' : 'decode to RGB (no EXIF rotation, alpha dropped)')
  if (p.resize !== undefined) lines.push(`resize ${sizeText(p.resize)} (${p.filter})`)
  if (p.crop !== undefined) lines.push(`crop the centre, ${p.crop.width} x ${p.crop.height}`)
  if (p.rescale !== 1) lines.push(`multiply by ${p.rescale}`)
  if (p.channelOrder === 'bgr') lines.push('blue first, red last')
  if (p.mean.some(v => v !== 0) || p.std.some(v => v !== 1)) {
    lines.push(`subtract [${p.mean.join(', ')}], divide by [${p.std.join(', ')}]`)
  }
  lines.push(`tensor ${input.layout === 'nchw' ? 'N x C x H x W' : 'N x H x W x C'}, ${p.width} x ${p.height}`)
  return lines
}

/** What nobody said and was taken for granted; empty where everything was said. */
export function assumptions(preprocessing: Preprocessing | undefined): string[] {
  if (preprocessing === undefined) return []
  const { assumed, notes = [] } = preprocessing
  const usual =
    "assumed, no settings were found: ImageNet's usual mean and standard deviation, the whole image squeezed"
  return [...(assumed ? [usual] : []), ...notes.map(note => `assumed: ${note}`)]
}

/** What was guessed about the files of a table or of labels. */
export function assumedOf({ assumed = [] }: Pick<PriorDescriptor, 'assumed'>): string[] {
  return assumed.map(what => `assumed: ${what}`)
}

function sizeText(to: ResizeTo): string {
  if ('shortestEdge' in to) return `to shortest edge ${to.shortestEdge}`
  if ('inside' in to) return `to fit into ${to.inside.width} x ${to.inside.height}`
  if ('cover' in to) return `to cover ${to.cover.width} x ${to.cover.height}`
  return `to ${to.width} x ${to.height}`
}
