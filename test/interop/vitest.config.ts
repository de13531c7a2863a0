import { defineConfig } from 'vitest/config'

/** Reads what we write with other people's programs (scripts/interop). Not part of `npm test`: it installs them first. */
export default defineConfig({
  test: {
    include: ['test/interop/**/*.test.ts'],
    globalSetup: ['test/interop/python-setup.ts'],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    pool: 'forks',
    maxWorkers: 1
  }
})
