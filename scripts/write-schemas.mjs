// Writes docs/schema/*.json, the JSON Schemas of results, from the schemas in src/results/: npm run schemas
import { mkdirSync, writeFileSync } from "node:fs";
import "./build-if-needed.mjs";

const { jsonSchemaFiles } = await import("../dist/results/json-schema.js");
const directory = new URL("../docs/schema/", import.meta.url);

mkdirSync(directory, { recursive: true });
for (const [name, text] of Object.entries(jsonSchemaFiles())) {
  writeFileSync(new URL(name, directory), text);
  console.log(`docs/schema/${name}`);
}
