/** What a prior is made of: a network, labels given by people, or vectors that somebody computed before. */
export const PRIOR_KINDS = ['onnx', 'human', 'table'] as const

export type PriorKind = (typeof PRIOR_KINDS)[number]
