/** How a command's action gets its surroundings: home, streams and signals, once the options shared by all commands are parsed. */
import type { Invocation } from './context.ts'

/** Runs a command's action once the options that all commands share are known. */
export type Invoke = (run: (invocation: Invocation) => Promise<void>) => Promise<void>
