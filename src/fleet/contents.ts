// The files of a user-defined protocol as part of a spec: the coordinator reads them, and agents that run other people's
// code store them.
import { readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import type { RunSpec } from "../planning/run-spec.js";
import { AppError } from "../util/errors.js";
import { quoted } from "../util/printable.js";

const PUBLIC_NAME = "fourtuple/protocol";
/** Modules that a file names in import and export declarations, import() and require(). */
const IMPORTS = /(?:\bfrom\s*|\bimport\s*\(?\s*|\brequire\s*\(\s*)(?:"([^"\n]+)"|'([^'\n]+)')/g;

/**
 * Adds the contents of the protocol's file and of its data file to a spec.
 * @throws {AppError} E_OPTION if the protocol consists of more than one file
 */
export function withContents(spec: RunSpec): RunSpec {
  const { protocol } = spec;
  if (protocol?.name !== "scripted") return spec;
  const code = readFileSync(protocol.file);
  for (const [, double, single] of code.toString("utf8").matchAll(IMPORTS)) {
    const name = (double ?? single)!;
    if (name === PUBLIC_NAME || isBuiltin(name)) continue;
    throw new AppError(
      "E_OPTION",
      `${quoted(protocol.file)} imports ${quoted(name)}, and agents receive only one file`,
      {
        fix: "bundle it into one file, for example with esbuild --bundle --format=esm --external:fourtuple",
      },
    );
  }
  const data = protocol.data && readFileSync(protocol.data.file).toString("base64");
  return { ...spec, protocol: { ...protocol, contents: { code: code.toString("base64"), data } } };
}

/** Removes the contents again, where they are not needed. */
export function withoutContents<S extends object>(spec: S): S {
  const { protocol } = spec as Partial<RunSpec>;
  if (protocol?.name !== "scripted") return spec;
  return { ...spec, protocol: { ...protocol, contents: undefined } };
}
