// `npm run package`: builds the single executables, and what is released of them, in artifacts/.
// Usage: package.mjs [--arch x64|arm64] [--only executable]
import { parseArgs } from "node:util";
import { bundlePage, bundleProgram } from "./bundle.mjs";
import { buildExecutable } from "./executable.mjs";
import { componentsOf } from "./notices.mjs";
import { release, writeChecksums } from "./release.mjs";

const { values } = parseArgs({ options: { arch: { type: "string" }, only: { type: "string" } } });
const architectures = /** @type {import("./places.mjs").Architecture[]} */ (
  values.arch ? [values.arch] : ["x64", "arm64"]
);

const scripts = await bundleProgram();
const page = await bundlePage();
const released = [];
for (const arch of architectures) {
  const components = componentsOf([...scripts, page], arch);
  const executable = await buildExecutable(arch, scripts);
  if (values.only === "executable") released.push(executable);
  else released.push(...release(arch, executable, components));
}
if (values.only !== "executable") writeChecksums(released);
console.log(released.join("\n"));
