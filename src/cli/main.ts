#!/usr/bin/env node
// The program's first file. It imports nothing: modules are opened all at once, and where there is no descriptor for one of
// them, somebody has to be there to say so.

try {
  const { runMain } = await import("./run-main.js");
  await runMain();
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException;
  const isShort = code === "EMFILE" || code === "ENFILE";
  console.error(`Fatal error: the program could not be loaded: ${JSON.stringify(message).slice(1, -1)}`);
  console.error(`  fix: ${isShort ? "raise the limit of open files: ulimit -n 1024" : "install fourtuple again"}`);
  process.exitCode = 1;
}
