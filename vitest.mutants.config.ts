// The test files that cover what StrykerJS mutates (stryker.config.json). They import src/ directly, open few sockets and take
// seconds: each mutant runs those of their tests that reach it.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: [
      "test/base/*.test.ts",
      "test/connect/{judge,loss-ages,message-ages,message-schedule,ramp,thresholds}.test.ts",
      "test/doctor/{predict,rows}.test.ts",
      "test/engine/{latency,planner,schedule,free-slots}.test.ts",
      "test/socket-table/addresses.test.ts",
      "test/protocol/*.test.ts",
      "test/sys/{diag-filter,diag-socket,proc-tcp,sockaddr,tcp-info}.test.ts",
      "test/output/text/foreign-text.test.ts",
    ],
    pool: "forks",
  },
});
