/** CoOpt as a library: the node, its reports and events, and the errors it throws (test `error.name`). */
export { createCoOptNode } from './create-node.ts'
export type { CoOptNode, CoOptNodeInit } from './library.ts'
export { initHome } from './init-home.ts'
export type * from './api.ts'
export * from '../src/errors.ts'
