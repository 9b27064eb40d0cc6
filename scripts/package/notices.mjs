// Licences of what the executable really contains: the text for THIRD-PARTY-NOTICES, and a software bill of materials.
// A package without a licence, or with one that does not allow this use, fails the build.
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { NODE_VERSION, PACKAGE, ROOT } from "./places.mjs";
import { fetchPackage } from "./registry.mjs";

/** Licences that allow copies in a program under the MIT licence. */
const ALLOWED = [
  "0BSD",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "BlueOak-1.0.0",
  "ISC",
  "MIT",
  "Unlicense",
  "Zlib",
];

/** @typedef {{ name: string, version: string, license: string, text: string }} Component */

/**
 * Returns all components, sorted by name.
 *
 * @param {readonly { packages: Set<string> }[]} bundles
 * @param {import("./places.mjs").Architecture} arch
 * @throws {Error} if a licence is missing or not allowed, or if a package of production is not among them
 */
export function componentsOf(bundles, arch) {
  const koffi = `${ROOT}node_modules/koffi`;
  const folders = new Set([koffi, ...bundles.flatMap(({ packages }) => [...packages])]);
  const found = [...folders].map((folder) => componentIn(folder));
  const native = found.find(({ name }) => name === "koffi")?.version;
  found.push(componentIn(fetchPackage(`@koromix/koffi-linux-${arch}@${native}`), koffi));
  const node = join(fetchPackage(`node-linux-${process.arch}@${NODE_VERSION}`), "LICENSE");
  found.push({ name: "node", version: NODE_VERSION, license: "MIT", text: readFileSync(node, "utf8") });
  const missing = productionPackages(arch).filter((each) => !found.some(({ name }) => name === each));
  if (missing.length > 0) throw new Error(`not among the components of the executable: ${missing.join(", ")}`);
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Returns the names of the packages that `npm install --omit=dev` installs, from package-lock.json.
 * @param {import("./places.mjs").Architecture} arch
 */
export function productionPackages(arch) {
  const { packages } = JSON.parse(readFileSync(`${ROOT}package-lock.json`, "utf8"));
  return Object.entries(packages).flatMap(([path, { dev, devOptional, peer, os, cpu }]) => {
    const isForOthers = (os && !os.includes("linux")) || (cpu && !cpu.includes(arch));
    return path === "" || dev || devOptional || peer || isForOthers ? [] : path.replace(/^.*node_modules\//, "");
  });
}

/**
 * @param {string} folder
 * @param {string} [licenseFolder] folder with the licence's text
 * @returns {Component}
 */
export function componentIn(folder, licenseFolder = folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  if (typeof license !== "string" || !isAllowed(license))
    throw new Error(
      `${name} ${version} has the licence ${license ?? "(none)"}, which is not in the list of allowed ones`,
    );
  const file = readdirSync(licenseFolder).find((each) => /^licen[cs]e/i.test(each));
  if (file === undefined) throw new Error(`${basename(folder)} has no file with its licence`);
  return { name, version, license, text: readFileSync(join(licenseFolder, file), "utf8").trim() };
}

/**
 * Of several licences joined by OR, one has to be allowed.
 * @param {string} expression
 */
function isAllowed(expression) {
  return expression
    .replace(/^\(|\)$/g, "")
    .split(" OR ")
    .some((license) => ALLOWED.includes(license));
}

/** @param {readonly Component[]} components */
export function noticesText(components) {
  const parts = components.map(({ name, version, license, text }) => `${name} ${version} (${license})\n\n${text}\n`);
  return [`fourtuple ${PACKAGE.version} contains these programs and libraries.\n`, ...parts].join(
    `\n${"=".repeat(80)}\n\n`,
  );
}

/**
 * Returns a bill of materials in the format of CycloneDX 1.5.
 * @param {readonly Component[]} components
 */
export function billOfMaterials(components) {
  return `${JSON.stringify(
    {
      bomFormat: "CycloneDX",
      specVersion: "1.5",
      version: 1,
      metadata: {
        component: {
          type: "application",
          name: "fourtuple",
          version: PACKAGE.version,
          purl: purl({ name: "fourtuple", version: PACKAGE.version }),
        },
      },
      components: components.map(({ name, version, license }) => ({
        type: name === "node" ? "platform" : "library",
        name,
        version,
        purl: name === "node" ? `pkg:generic/node@${version}` : purl({ name, version }),
        licenses: license.includes(" ") ? [{ expression: license }] : [{ license: { id: license } }],
      })),
    },
    null,
    2,
  )}\n`;
}

/** @param {{ name: string, version: string }} component */
function purl({ name, version }) {
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}
