#!/usr/bin/env node
// Entry point of the program. The file has no static imports, so it can report an error even if there are
// too few descriptors to load modules.

try {
  const { runMain } = await import("./run-main.js");
  await runMain();
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException;
  const isShort = code === "EMFILE" || code === "ENFILE";
  console.error(`Fatal error: the program could not be loaded: ${JSON.stringify(message).slice(1, -1)}`);
  console.error(`  fix: ${isShort ? "raise the open-file limit: ulimit -n 1024" : "reinstall fourtuple"}`);
  process.exitCode = 1;
}
