// Test files that cover the modules that StrykerJS mutates (stryker.config.json). They import src/ directly, open few
// sockets and take seconds. Each mutant runs only the tests that reach it.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: [
      "test/util/{address,printable,share,units}.test.ts",
      "test/planning/{make-plan,run-spec,schedule,source-ports,tuple-plan}.test.ts",
      "test/results/schema.test.ts",
      "test/results/{histogram,merge}/*.test.ts",
      "test/**/free-slots.test.ts",
      "test/client/verdict/*.test.ts",
      "test/client/{evidence/loss-stats,messages/ages,messages/schedule,ramp/thread-layout}.test.ts",
      "test/capacity/{predict,rows}.test.ts",
      "test/protocols/*.test.ts",
      "test/protocols/websocket/{frames,upgrade}.test.ts",
      "test/socket-table/addresses.test.ts",
      "test/linux/{netlink/diag-filter,netlink/diag-socket,netlink/tcp-info,proc/tcp,syscalls/sockaddr}.test.ts",
      "test/output/text/foreign-text.test.ts",
    ],
    pool: "forks",
    // StrykerJS has a separate timeout for each mutant; this one is for the initial run on a busy machine.
    testTimeout: 120_000,
  },
});
