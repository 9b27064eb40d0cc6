// Tests import src/ for what is pure; what opens sockets by threads comes built from dist/, which stays outside of
// vitest's transforms so that worker threads find real files.
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";

const SHARED: Partial<TestProjectInlineConfiguration["test"]> = {
  // Descriptor tables, limits and threads belong to a process: every test file gets one of its own.
  pool: "forks",
  testTimeout: 30_000,
  hookTimeout: 30_000,
  server: { deps: { external: [/\/dist\//] } },
};

export default defineConfig({
  test: {
    maxWorkers: 2,
    teardownTimeout: 10_000,
    projects: [
      {
        test: {
          ...SHARED,
          name: "main",
          include: ["test/**/*.test.ts"],
          exclude: ["test/faults/**"],
          sequence: { groupOrder: 0 },
        },
      },
      {
        // Makes settings of the whole host small for a moment: nothing else runs beside it.
        test: { ...SHARED, name: "faults", include: ["test/faults/*.test.ts"], sequence: { groupOrder: 1 } },
      },
    ],
  },
});
