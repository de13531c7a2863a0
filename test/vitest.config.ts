import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // test/interop/vitest.config.ts
    exclude: ['test/interop/**'],
    // real nodes and child processes share two cores: give a slow machine room, a hung test still ends
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2
  }
})
