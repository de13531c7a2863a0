import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // test/interop/vitest.config.ts
    exclude: ['test/interop/**'],
    // limits end a hang and measure nothing: real nodes and child processes share two cores with whatever else the machine does, and the longest
    // test takes 20 s on an idle one
    testTimeout: 300_000,
    hookTimeout: 300_000,
    pool: 'forks',
    maxWorkers: 2
  }
})
