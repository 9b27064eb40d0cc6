// Stores the files of a user-defined protocol that a coordinator sent, in folders of this user alone that are named by
// the files' hashes. An agent does so only if it was started with --allow-code.
import { createHash } from "node:crypto";
import { lstatSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { extname, join } from "node:path";
import type { RunSpec } from "../../planning/run-spec.js";
import { loadFirst } from "../../protocols/scripted/file/load-first.js";
import { AppError } from "../../util/errors.js";

const EXTENSIONS = [".mjs", ".js", ".ts", ".mts"];
/** Stands in for the package, so that Node finds it from the folder (see protocols/scripted/file/load.ts). */
const STAND_IN = {
  "package.json": '{"name":"fourtuple","type":"module","exports":{"./protocol":"./protocol.js"}}',
  "protocol.js": "export const defineProtocol = (definition) => definition;",
} as const;

/**
 * @returns what to tell the user about the code; undefined if the run has none
 * @throws {AppError} E_NOT_AUTHORIZED if this agent does not run code
 */
export function assertCodeAllowed({ protocol }: RunSpec, isAllowed: boolean): string | undefined {
  if (protocol?.name !== "scripted") return undefined;
  const words = `protocol ${protocol.title}, SHA-256 ${protocol.sha256}`;
  if (isAllowed) return words;
  throw new AppError("E_NOT_AUTHORIZED", `this agent does not run code of coordinators (${words})`, {
    fix: "if you trust all who may publish at the NATS server, start the agent with --allow-code",
  });
}

/**
 * Stores the files that a spec contains, and loads the protocol's file.
 *
 * @returns the spec with the paths of the stored files
 * @throws {AppError} E_OPTION if the contents are not what the spec says; E_PERMISSION if there is no private folder
 */
export async function storeCode(spec: RunSpec): Promise<RunSpec> {
  const { protocol } = spec;
  if (protocol?.name !== "scripted") return spec;
  const code = Buffer.from(protocol.contents?.code ?? "", "base64");
  const hash = sha256(code);
  // The hash was shown to the user of this agent, so nothing else may run.
  if (hash !== protocol.sha256) {
    throw new AppError("E_OPTION", "the protocol's file is not the one that the coordinator loaded", {
      fix: "do not change the file while the run starts, and run it again",
    });
  }
  const folder = openFolder(hash);
  const file = join(folder, `protocol${extensionOf(protocol.file, EXTENSIONS)}`);
  replace(join(folder, "package.json"), '{"type":"module"}');
  const installed = join(folder, "node_modules", "fourtuple");
  mkdirSync(installed, { recursive: true, mode: 0o700 });
  for (const [name, text] of Object.entries(STAND_IN)) replace(join(installed, name), text);
  replace(file, code);
  await loadFirst(file);
  const { data, contents, ...rest } = protocol;
  return { ...spec, protocol: { ...rest, file, data: data && storeData(data, contents?.data ?? "") } };
}

type Data = NonNullable<Extract<RunSpec["protocol"], { name: "scripted" }>["data"]>;

function storeData(data: Data, base64: string): Data {
  const bytes = Buffer.from(base64, "base64");
  const file = join(openFolder(sha256(bytes)), `data${extensionOf(data.file)}`);
  replace(file, bytes);
  return { ...data, file };
}

/** Other users of this host could change what is in a folder that is not private, or put another in its place. */
function openFolder(hash: string): string {
  const base = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "fourtuple");
  openPrivate(base, 0o022);
  openPrivate(join(base, "code"), 0o077);
  return openPrivate(join(base, "code", hash), 0o077);
}

/** @param forbidden permissions that others must not have */
function openPrivate(folder: string, forbidden: number): string {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new AppError("E_PERMISSION", `cannot create ${folder}: ${(cause as Error).message}`, {
      fix: "set XDG_CACHE_HOME to a folder that this user may write to",
      cause,
    });
  }
  const stat = lstatSync(folder);
  if (stat.isDirectory() && stat.uid === process.geteuid!() && (stat.mode & forbidden) === 0) return folder;
  throw new AppError("E_PERMISSION", `${folder} is not a folder of this user alone`, {
    fix: `remove it: rm -r ${folder}`,
  });
}

/** Another agent of this user may be reading the file, which has the same contents. */
function replace(file: string, contents: string | Buffer): void {
  const temporary = `${file}.${process.pid}.${performance.now()}`;
  writeFileSync(temporary, contents, { mode: 0o600, flag: "wx" });
  renameSync(temporary, file);
}

/** The path is that on the coordinator's host: nothing but its extension is used. */
function extensionOf(path: string, known?: readonly string[]): string {
  const extension = extname(path);
  if (known ? known.includes(extension) : /^\.\w{1,16}$/.test(extension)) return extension;
  return known ? known[0]! : "";
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
