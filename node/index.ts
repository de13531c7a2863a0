/** CoOpt as a library: the node, its reports and events, and the errors it throws (test `error.name`). */
export { createCoOptNode, type CoOptNode, type CoOptNodeInit } from './coopt-node.ts'
export { initHome } from './init-home.ts'
export type * from './api.ts'
export * from '../src/errors.ts'
