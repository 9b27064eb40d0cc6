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

/** The single executable that `npm run package` builds. */
const FILE = process.env.FOURTUPLE_FILE;
/**
 * These also run the single executable instead of dist/cli/main.js. Together with test/package/executable.test.ts and
 * .ci/smoke.mjs, they cover each command, protocol and transport, and each way in which the program uses its own files.
 * The other tests of the command line are left out because they would run the same code again: both programs are built
 * from the same modules. Set TEST_EXECUTABLE to run any of them with the executable.
 */
const FROM_ONE_FILE = [
  "test/cli/{completion,hang-up,man}.test.ts",
  // The live page, also of the lab and the demo; rings; children as agents of a fleet, in network namespaces.
  "test/cli/{ui,connect/engine,demo/fleet}.test.ts",
  // Limits, queues and ports; the BPF programs.
  "test/cli/{exporter/exporter,ports/all-netns}.test.ts",
  // With other programs as peers.
  "test/docs/{http,mqtt,tls,websocket}.test.ts",
  "test/transport/packet/foreign.test.ts",
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
      ...(FILE
        ? [
            {
              test: {
                ...SHARED,
                name: "file",
                include: FROM_ONE_FILE,
                env: { TEST_EXECUTABLE: FILE },
                sequence: { groupOrder: 0 },
              },
            },
          ]
        : []),
      {
        // These tests lower host-wide settings for a moment, measure the host's memory, fill its socket table, or have
        // a time limit, so nothing else runs in parallel.
        test: { ...SHARED, name: "alone", include: ALONE, fileParallelism: false, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
