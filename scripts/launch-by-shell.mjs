// Lets the program be started by sh, which notes down what Node forgets: the signals that whoever starts it ignores, as nohup does. To
// Node the second line is a text and a comment; started as `node dist/cli/main.js` the file is the same program.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const file = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const note =
  "while read -r name mask; do case $name in SigIgn:) export FOURTUPLE_SIGIGN=$mask;; esac; done 2>/dev/null </proc/self/status";
const launcher = `#!/usr/bin/env sh\n":" //; ${note}; exec node "$0" "$@"\n`;
writeFileSync(file, readFileSync(file, "utf8").replace(/^#!.*\n/, launcher));
