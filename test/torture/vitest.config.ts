import { defineConfig } from 'vitest/config'

/** Drivers of `npm run torture` that are too long for `npm test`; each takes its size from the environment (scripts/torture/plan.ts). */
export default defineConfig({
  test: {
    include: ['test/torture/*.torture.ts'],
    // `npm run torture` ends what hangs
    testTimeout: 86_400_000,
    hookTimeout: 600_000,
    pool: 'forks',
    maxWorkers: 1
  }
})
