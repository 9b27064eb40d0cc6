// Validates the manifests against the schemas of the Kubernetes API and of Compose. The validators come from npm when the
// test runs, and are none of the package's dependencies. Without a network, the test is skipped.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { ROOT } from "../support/library.js";

const PACKAGES = ["kubernetes-models@5.1.0", "dclint@3.1.0", "ajv@8.20.0", "ajv-formats@3.0.1"];
const INSTALL_MS = 120_000;
/** What npm says if it cannot reach the registry. */
const NO_NETWORK = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET_TIMEOUT/;

const folder = mkdtempSync(join(tmpdir(), "fourtuple-schemas-"));
/** Why the schemas are missing. */
let obstacle: string | undefined;

beforeAll(() => {
  const options = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", "--fetch-retries=0"];
  const { status, stderr } = spawnSync("npm", ["install", "--prefix", folder, ...options, ...PACKAGES], {
    encoding: "utf8",
    timeout: INSTALL_MS,
  });
  if (status === 0) return;
  if (!NO_NETWORK.test(stderr)) throw new Error(`npm failed: ${stderr}`);
  obstacle = "npm's registry cannot be reached";
}, INSTALL_MS);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

// biome-ignore lint/suspicious/noExplicitAny: these modules are not installed when types are checked
const load = (file: string): Promise<any> => import(pathToFileURL(join(folder, "node_modules", file)).href);

/** @returns what is wrong with a value */
type Check = (value: unknown) => string[];

async function kubernetesCheck({ apiVersion, kind }: Manifest): Promise<Check> {
  const { [kind]: Model } = await load(`kubernetes-models/${apiVersion}/${kind}.js`);
  return (value) => {
    try {
      new Model(value).validate();
      return [];
    } catch (error) {
      return [(error as Error).message];
    }
  };
}

async function composeCheck(): Promise<Check> {
  const { default: ajv } = await load("ajv/dist/ajv.js");
  const { default: addFormats } = await load("ajv-formats/dist/index.js");
  const schema = JSON.parse(readFileSync(join(folder, "node_modules/dclint/schemas/compose.schema.json"), "utf8"));
  const validator = new ajv.default({ strict: false, validateSchema: false });
  addFormats.default(validator);
  // Formats of Compose itself, such as ports and durations.
  for (const format of ["ports", "expose", "duration", "subnet_ip_address"]) validator.addFormat(format, true);
  const validate = validator.compile(schema);
  return (value) => (validate(value) ? [] : [validator.errorsText(validate.errors)]);
}

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
}

/**
 * Returns the paths of fields that no schema knows: a value of the wrong type would pass there. A schema of Kubernetes
 * does not say otherwise that a name is misspelt.
 */
function unknownFields(manifest: object, check: Check): string[] {
  return leavesOf(manifest)
    .filter((path) => {
      const copy = structuredClone(manifest);
      const parent = path.slice(0, -1).reduce((value, key) => (value as Record<string, object>)[key]!, copy as object);
      (parent as Record<string, unknown>)[path.at(-1)!] = { wrong: [true] };
      return check(copy).length === 0;
    })
    .map((path) => path.join("."));
}

/** Returns the paths of all strings, numbers and flags. */
function leavesOf(value: unknown, path: string[] = []): string[][] {
  if (typeof value !== "object" || value === null) return [path];
  return Object.entries(value).flatMap(([key, each]) => leavesOf(each, [...path, key]));
}

const files = [
  "deploy/daemonset.yaml",
  ...readdirSync(`${ROOT}deploy/kubernetes`).map((name) => `deploy/kubernetes/${name}`),
];

describe("the schema of Kubernetes's API", () => {
  it.for(files)("permits %s, and knows each of its fields", async (file, { skip }) => {
    if (obstacle !== undefined) skip(obstacle);
    const documents = parseAllDocuments(readFileSync(`${ROOT}${file}`, "utf8"));
    expect(documents.length).toBeGreaterThan(0);
    for (const document of documents) {
      const manifest: Manifest = document.toJS();
      const check = await kubernetesCheck(manifest);
      expect(check(manifest)).toEqual([]);
      expect(unknownFields(manifest, check)).toEqual([]);
    }
  });
});

describe("the schema of Compose", () => {
  it.for(["compose.yaml", "deploy/compose-fleet.yaml"])("permits %s", async (file, { skip }) => {
    if (obstacle !== undefined) skip(obstacle);
    const check = await composeCheck();
    const project = parse(readFileSync(`${ROOT}${file}`, "utf8"), { merge: true });
    expect(check(project)).toEqual([]);
    const [name] = Object.keys(project.services);
    expect(check({ ...project, services: { [name!]: { comand: "misspelt" } } })).not.toEqual([]);
  });
});
