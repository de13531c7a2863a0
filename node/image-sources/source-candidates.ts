/** Everything in some sources, one after the other: for those who look for images and do not publish them. */
import type { Candidate } from './candidates.ts'
import { ALL_COMPONENTS } from './components.ts'
import { type SourceAccess, sourceParts } from './source-parts.ts'

/** Every component of a sample is looked at where none is asked for. Throws like `sourceParts` and the readers of its parts. */
export async function* sourceCandidates(paths: readonly string[], access: SourceAccess): AsyncGenerator<Candidate> {
  for await (const part of sourceParts(paths, { component: ALL_COMPONENTS, ...access })) yield* part.candidates
}
