// Prepends a shell launcher to the program. It records the signals ignored at startup, as under nohup, which Node
// resets. To Node, the launcher's second line is a string and a comment, so `node dist/cli/main.js` runs the same
// program.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const file = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const note =
  "while read -r name mask; do case $name in SigIgn:) export FOURTUPLE_SIGIGN=$mask;; esac; done 2>/dev/null </proc/self/status";
const launcher = `#!/usr/bin/env sh\n":" //; ${note}; exec node "$0" "$@"\n`;
writeFileSync(file, readFileSync(file, "utf8").replace(/^#!.*\n/, launcher));
