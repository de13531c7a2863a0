/** The float64 product in the worker: a one-node model for ONNX Runtime. */
import type * as Runtime from 'onnxruntime-node'
import { buildGemmModel } from '../../../src/optimize/gemm-model.ts'
import type { GemmRequest } from './messages.ts'
import { createSession, loadRuntime } from './runtime-session.ts'

/** op(A) op(B) in float64; keeps the (at most four) tiny sessions. */
export function createGemmRunner(): (request: GemmRequest) => Promise<Float64Array> {
  const sessions = new Map<string, Promise<Runtime.InferenceSession>>()
  return async ({ a, b, transposeA, transposeB, threads }) => {
    const runtime = await loadRuntime()
    const key = `${transposeA} ${transposeB} ${threads}`
    const session = sessions.get(key) ?? createSession(runtime, buildGemmModel({ transposeA, transposeB }), { threads })
    sessions.set(key, session)
    const tensor = (m: GemmRequest['a']) => new runtime.Tensor('float64', m.data, [m.rows, m.columns])
    const { c } = await (await session).run({ a: tensor(a), b: tensor(b) })
    if (!(c?.data instanceof Float64Array)) throw new TypeError('the product is not float64')
    return c.data
  }
}
