// Tests import src/ for what is pure; what opens sockets by threads comes built from dist/, which stays outside of
// vitest's transforms so that worker threads find real files.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Descriptor tables, limits and threads belong to a process: every test file gets one of its own.
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    teardownTimeout: 10_000,
    server: { deps: { external: [/\/dist\//] } },
  },
});
