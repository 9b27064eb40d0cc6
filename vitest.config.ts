// Tests import pure modules from src/. Modules that open sockets in threads are imported from dist/, which vitest does
// not transform, so that worker threads find real files.
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";

const SHARED: Partial<TestProjectInlineConfiguration["test"]> = {
  // Descriptor tables, limits and threads belong to a process, so every test file gets its own.
  pool: "forks",
  // Each wait has its own deadline and names the missing event. This limit is for a machine so busy that all of them
  // are slow.
  testTimeout: 120_000,
  hookTimeout: 120_000,
  server: { deps: { external: [/\/dist\//] } },
};

const ALONE = [
  "test/cli/{doctor/cost,connect/one-port}.test.ts",
  "test/faults/*.test.ts",
  "test/lab/{lab,stopping,trouble}.test.ts",
];

/** These also run with io_uring, because outcomes must not depend on the engine. */
const BY_ENGINE = [
  "test/client/{connect,destinations,flood,loop,reset,standstill}.test.ts",
  "test/client/{messages/messages,evidence/accepting}.test.ts",
  "test/server/{flood,lost-listener,serve,unread}.test.ts",
  "test/diagnosis/{local-refusals,real-runs}.test.ts",
  "test/engine/threads.test.ts",
  "test/protocols/{websocket/peers,http/pool}.test.ts",
  "test/transport/tls/{handshakes,peers}.test.ts",
];

export default defineConfig({
  test: {
    // Most tests wait for timers and peers rather than for a core.
    maxWorkers: 3,
    teardownTimeout: 10_000,
    projects: [
      {
        test: {
          ...SHARED,
          name: "main",
          include: ["test/**/*.test.ts"],
          exclude: ALONE,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...SHARED,
          name: "uring",
          include: BY_ENGINE,
          env: { TEST_ENGINE: "uring" },
          sequence: { groupOrder: 0 },
        },
      },
      {
        // These tests lower host-wide settings for a moment, measure the host's memory, fill its socket table, or have
        // a time limit, so nothing else runs in parallel.
        test: { ...SHARED, name: "alone", include: ALONE, fileParallelism: false, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
