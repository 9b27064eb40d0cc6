// Tests access to the C library: a process searches for koffi's native module only once.
import { expect, it } from "vitest";
import { ROOT } from "../../support/library.js";
import { start } from "../../support/process.js";

it("a thread loads the native module that the main thread found, and nothing else of koffi", async () => {
  const libc = `${ROOT}dist/linux/syscalls/libc.js`;
  const thread = `import("${libc}").then(({ libc }) => {
    const loaded = Object.keys(process.getBuiltinModule("node:module")._cache).filter((file) => file.includes("koffi"));
    console.log(libc.close(-1), loaded.map((file) => file.split("/").pop()).join());
  });`;
  const program = `import { Worker } from "node:worker_threads";
    await import("${libc}");
    new Worker(${JSON.stringify(thread)}, { eval: true });`;
  const { stdout } = await start(process.execPath, ["--input-type=module", "--eval", program]).exited();
  expect(stdout).toBe("-1 koffi.node\n");
});
