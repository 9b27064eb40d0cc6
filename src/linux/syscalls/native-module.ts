// Loads a native module from memory, for an executable that contains it. The C library only loads files, so the module
// is written to a file without a name, in the first folder that allows it. Nothing is left behind, however the process
// ends, and no other user can replace the file.
import { closeSync, constants, openSync, statSync, unlinkSync, writeSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { AppError } from "../../util/errors.js";

/** Errors of file systems that do not support O_TMPFILE, and of kernels that do not know it. */
const NO_UNNAMED_FILES = ["EOPNOTSUPP", "EISDIR", "EINVAL"];
const { O_DIRECTORY, O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR } = constants;
/** `__O_TMPFILE | O_DIRECTORY`, from asm-generic/fcntl.h. O_DIRECTORY differs by processor. */
const O_TMPFILE = 0o20_000_000 | O_DIRECTORY;
const OWNER_ONLY = 0o700;

export interface NativeModule<Exports> {
  readonly exports: Exports;
  /** Path for other threads, valid as long as this process runs. */
  readonly path: string;
}

/** Returns the folders to try, in this order. */
export function writableFolders(env: NodeJS.ProcessEnv = process.env): string[] {
  // A user without an entry in /etc/passwd has no home, and the current folder may have been removed.
  const own = [env.HOME ?? folderFrom(homedir), folderFrom(process.cwd)];
  const named = [env.XDG_RUNTIME_DIR, "/dev/shm", env.TMPDIR, "/tmp", "/var/tmp", "/run", ...own];
  return [...new Set(named.filter((folder) => folder?.startsWith("/")))] as string[];
}

/**
 * Loads a module.
 *
 * @param bytes contents of the module's file
 * @throws {AppError} E_PLATFORM if no folder allows it; the message says why for each
 */
export function loadFromMemory<Exports>(bytes: Uint8Array, folders = writableFolders()): NativeModule<Exports> {
  const obstacles: string[] = [];
  let cause: unknown;
  for (const folder of folders) {
    try {
      return loadIn(folder, bytes);
    } catch (error) {
      cause = error;
      obstacles.push(`${folder} (${obstacleOf(error)})`);
    }
  }
  throw new AppError("E_PLATFORM", `no folder allows loading the native module: ${obstacles.join(", ")}`, {
    fix: "set TMPDIR to a folder that this user can write to, on a file system not mounted noexec; /proc is needed too",
    cause,
  });
}

/** Loads the module that another thread has loaded. */
export function loadAgain<Exports>(path: string): Exports {
  const module = { exports: {} as Exports };
  process.dlopen(module, path);
  return module.exports;
}

function loadIn<Exports>(folder: string, bytes: Uint8Array): NativeModule<Exports> {
  // A folder of another user may be on a file system that this user controls. Sticky folders belong to root.
  const { uid } = statSync(folder);
  if (uid !== 0 && uid !== process.geteuid?.()) throw new Error("it belongs to another user");
  const fd = openUnnamed(folder);
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    const path = `/proc/self/fd/${fd}`;
    return { exports: loadAgain(path), path };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function openUnnamed(folder: string): number {
  try {
    return openSync(folder, O_TMPFILE | O_RDWR, OWNER_ONLY);
  } catch (error) {
    if (!NO_UNNAMED_FILES.includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
  // Loaded on demand, because every start of the program would pay for it.
  const { randomBytes } = process.getBuiltinModule("node:crypto");
  const file = join(folder, `.fourtuple-${randomBytes(12).toString("hex")}`);
  const fd = openSync(file, O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR, OWNER_ONLY);
  unlinkSync(file);
  return fd;
}

function obstacleOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code !== undefined && code !== "ERR_DLOPEN_FAILED") return code;
  if (message.includes("failed to map segment")) return "mounted noexec, or executable memory is forbidden";
  return message.replace(/^\/proc\/self\/fd\/\d+: /, "");
}

function folderFrom(find: () => string): string | undefined {
  try {
    return find();
  } catch {
    return undefined;
  }
}
