// `npm run package`: builds the single executables, and what is released of them, in artifacts/.
// Usage: package.mjs [--arch x64|arm64] [--only executable]
import { parseArgs } from "node:util";
import { bundleProgram } from "./bundle.mjs";
import { buildExecutable } from "./executable.mjs";

const { values } = parseArgs({ options: { arch: { type: "string" }, only: { type: "string" } } });
const architectures = /** @type {import("./places.mjs").Architecture[]} */ (
  values.arch ? [values.arch] : ["x64", "arm64"]
);

const bundles = await bundleProgram();
for (const arch of architectures) {
  const executable = await buildExecutable(arch, bundles);
  console.log(executable);
}
