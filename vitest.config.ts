// Tests import src/ for what is pure; what opens sockets by threads comes built from dist/, which stays outside of
// vitest's transforms so that worker threads find real files.
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";

const SHARED: Partial<TestProjectInlineConfiguration["test"]> = {
  // Descriptor tables, limits and threads belong to a process: every test file gets one of its own.
  pool: "forks",
  // Each wait has a deadline of its own, which says what did not come: this one is for a machine that is busy in all of them.
  testTimeout: 60_000,
  hookTimeout: 60_000,
  server: { deps: { external: [/\/dist\//] } },
};

const ALONE = [
  "test/cli/{doctor/cost,connect/one-port}.test.ts",
  "test/faults/*.test.ts",
  "test/lab/{lab,stopping,trouble}.test.ts",
];

/** Also run with io_uring: outcomes must not depend on the engine. */
const BY_ENGINE = [
  "test/client/{connect,destinations,flood,loop,reset,standstill}.test.ts",
  "test/client/{messages/messages,evidence/accepting}.test.ts",
  "test/server/{flood,serve,unread}.test.ts",
  "test/diagnosis/{local-refusals,real-runs}.test.ts",
  "test/engine/threads.test.ts",
  "test/protocols/websocket/peers.test.ts",
  "test/transport/tls/{handshakes,peers}.test.ts",
];

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
        // Make settings of the whole host small for a moment, measure its memory, fill its socket table, or are held to a time:
        // nothing else runs beside them.
        test: { ...SHARED, name: "alone", include: ALONE, fileParallelism: false, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
