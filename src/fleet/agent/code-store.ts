// Stores the files of a user-defined protocol that a coordinator sent, in folders of this user alone that are named by
// the files' hashes, and removes them a week after their last use. An agent stores code only if it was started with
// --allow-code.
import { createHash } from "node:crypto";
import { lstatSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { basename, extname, join } from "node:path";
import { EXTENSIONS } from "../../protocols/scripted/file/load.js";
import { loadFirst } from "../../protocols/scripted/file/load-first.js";
import { FORMATS } from "../../protocols/scripted/file/row-index.js";
import { AppError } from "../../util/errors.js";
import type { Code, StoredCode } from "../code.js";

/** As long as results are kept. */
const KEPT_MS = 7 * 24 * 3600 * 1000;

/** Stands in for the package, so that Node finds it from the folder (see protocols/scripted/file/load.ts). */
const STAND_IN = {
  "package.json": '{"name":"fourtuple","type":"module","exports":{"./protocol":"./protocol.js"}}',
  "protocol.js": "export const defineProtocol = (definition) => definition;",
} as const;

/**
 * @returns what to tell the user about the code; undefined if the run has none
 * @throws {AppError} E_NOT_AUTHORIZED if this agent does not run code
 */
export function assertCodeAllowed(code: Code | undefined, isAllowed: boolean): string | undefined {
  if (code === undefined) return undefined;
  const words = `protocol ${code.title}, SHA-256 ${code.sha256}`;
  if (isAllowed) return words;
  throw new AppError("E_NOT_AUTHORIZED", `this agent does not run code of coordinators (${words})`, {
    fix: "if you trust all who may publish at the NATS server, start the agent with --allow-code",
  });
}

/**
 * Stores the files that a coordinator sent, and loads the protocol's file.
 *
 * @throws {AppError} E_OPTION if the contents are not what the spec says; E_PERMISSION if there is no private folder
 */
export async function storeCode({ sha256: shown, file: path, data, contents }: Code): Promise<StoredCode> {
  removeOldCode();
  const code = Buffer.from(contents?.code ?? "", "base64");
  const hash = sha256(code);
  // The hash was shown to the user of this agent, so nothing else may run.
  if (hash !== shown) {
    throw new AppError("E_OPTION", "the protocol's file is not the one that the coordinator loaded", {
      fix: "do not change the file while the run starts, and run it again",
    });
  }
  const folder = openFolder(hash);
  const file = join(folder, storedName(path, "protocol", EXTENSIONS));
  replace(join(folder, "package.json"), '{"type":"module"}');
  const installed = join(folder, "node_modules", "fourtuple");
  mkdirSync(installed, { recursive: true, mode: 0o700 });
  for (const [name, text] of Object.entries(STAND_IN)) replace(join(installed, name), text);
  replace(file, code);
  await loadFirst(file);
  return { file, data: data && storeData(data.file, contents?.data ?? "") };
}

function storeData(path: string, base64: string): string {
  const bytes = Buffer.from(base64, "base64");
  const file = join(openFolder(sha256(bytes)), storedName(path, "data", Object.keys(FORMATS)));
  replace(file, bytes);
  return file;
}

/** Removes the files that were last used long ago. Storing files again changes their folder, and threads keep them open. */
export function removeOldCode(): void {
  const store = join(cacheFolder(), "code");
  try {
    for (const name of readdirSync(store)) {
      const folder = join(store, name);
      const isOld = Date.now() - lstatSync(folder).mtimeMs > KEPT_MS;
      if (isOld && /^[0-9a-f]{64}$/.test(name)) rmSync(folder, { recursive: true, force: true });
    }
  } catch {
    // There are none yet, or another agent is removing them.
  }
}

/** Other users of this host could change what is in a folder that is not private, or put another in its place. */
function openFolder(hash: string): string {
  const base = cacheFolder();
  openPrivate(base, 0o022);
  openPrivate(join(base, "code"), 0o077);
  return openPrivate(join(base, "code", hash), 0o077);
}

function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "fourtuple");
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

/**
 * Returns the name that a file has on the coordinator's host, which errors and results mention. Of a name that could be
 * anything else than that of a file with such contents, only a known extension is kept, which tells how to read the file.
 */
function storedName(path: string, stem: string, extensions: readonly string[]): string {
  const name = basename(path);
  const extension = extensions.find((known) => known === extname(name).toLowerCase());
  if (extension !== undefined && /^\w[\w.-]{0,99}$/.test(name)) return name;
  return `${stem}${extension ?? extensions[0]}`;
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
