import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // test/interop/vitest.config.ts
    exclude: ['test/interop/**'],
    // limits end a hang and measure nothing: the longest test takes half a minute of computing on two idle cores, ten times that on busy ones
    testTimeout: 300_000,
    hookTimeout: 300_000,
    pool: 'forks',
    maxWorkers: 2
  }
})
