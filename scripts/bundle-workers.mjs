// Bundles each module that is started by file name together with its imports. A thread starts sooner if it has to find
// and load one file instead of twenty-five, and there may be a hundred threads. The same is done for zod's hundred
// files.
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const MODULES = [
  "client/worker",
  "client/single/worker",
  "server/worker",
  "engine/threads/unshare-probe",
  "lab/observe/in-host-socket-table",
  "util/zod",
];

for (const module of MODULES) {
  const file = fileURLToPath(new URL(`../dist/${module}.js`, import.meta.url));
  const bundle = await rolldown({ input: file, platform: "node" });
  await bundle.write({ file, format: "esm" });
  await bundle.close();
}
