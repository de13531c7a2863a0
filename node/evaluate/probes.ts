/** The three probes on one set of rows, as one report. */
import type { ProbesReport } from '../api/evaluate.ts'
import { logisticProbe } from './logistic-probe.ts'
import { neighbourProbe } from './nearest-neighbours.ts'
import { ridgeProbe, type RidgeProbe, type RidgeProbeInit } from './ridge-probe.ts'

/** Throws as `ridgeProbe`. `ridge` also has the predictions that the reported accuracy is computed from. */
export async function allProbes(
  init: RidgeProbeInit,
  onStep: (done: number, total: number) => void
): Promise<{ report: ProbesReport; ridge: RidgeProbe }> {
  onStep(0, 3)
  const ridge = await ridgeProbe(init)
  onStep(1, 3)
  const neighbours = await neighbourProbe(init)
  onStep(2, 3)
  const logistic = await logisticProbe(init)
  onStep(3, 3)
  const tested = init.test?.labels ?? init.labels
  const counts = Array.from({ length: init.classes }, () => 0)
  for (const row of ridge.rows) counts[tested[row] as number] = (counts[tested[row] as number] as number) + 1
  return {
    ridge,
    report: {
      ridge: { ...figures(ridge), ridge: ridge.ridge },
      logistic: { ...figures(logistic), c: logistic.c },
      neighbours: { ...figures(neighbours), k: neighbours.k },
      chance: Math.max(...counts) / ridge.rows.length,
      tests: ridge.rows.length
    }
  }
}

// --- internal ---

const figures = ({ accuracy, standardError }: { accuracy: number; standardError: number }) => ({
  accuracy,
  standardError
})
