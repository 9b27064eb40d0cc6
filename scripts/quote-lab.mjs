// Copies the lab's output from the committed run into docs/why-not-65535.md, below each comment `<!-- lab E1 -->`.
// Usage: node scripts/quote-lab.mjs [--check] (needs a build; --check writes nothing and fails if the page differs from
// the run)
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { experimentHeading, experimentText, placeLine } from "../dist/output/text/lab.js";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const PAGE = `${ROOT}docs/why-not-65535.md`;
const QUOTE = /^<!-- lab (E\d) -->\n+```console\n[\s\S]*?^```$/gm;

const { testbed, isQuick, experiments } = JSON.parse(readFileSync(`${ROOT}docs/runs/lab.json`, "utf8"));
const before = readFileSync(PAGE, "utf8");
let isFirst = true;
const after = before.replace(QUOTE, (_, id) => {
  const experiment = experiments.find((/** @type {{ id: string }} */ each) => each.id === id);
  if (!experiment) throw new Error(`docs/runs/lab.json has no ${id}`);
  const begin = isFirst ? [`$ fourtuple lab${isQuick ? " --quick" : ""}`, placeLine(testbed), ""] : [];
  isFirst = false;
  const text = [...begin, experimentHeading(experiment).trim(), experimentText(experiment)].join("\n");
  return `<!-- lab ${id} -->\n\n\`\`\`console\n${text}\n\`\`\``;
});
if (isFirst) throw new Error(`${PAGE} has no place for the lab's output`);
if (!process.argv.includes("--check")) writeFileSync(PAGE, after);
else if (after !== before) {
  process.stderr.write(`${PAGE} is not as docs/runs/lab.json: node scripts/quote-lab.mjs\n`);
  process.exitCode = 1;
}
