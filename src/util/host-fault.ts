// Recognizes errors from Node or system calls that are caused by the host: too few descriptors, no memory, no threads,
// no current directory. Such errors are not bugs, and their fixes are known.
import { AppError } from "./errors.js";

interface Fault {
  readonly message: string;
  readonly fix: string;
}

const DESCRIPTORS: Fault = {
  message: "the open-file limit is too low",
  fix: "raise it: ulimit -n 1024 (LimitNOFILE= for a service)",
};
const MEMORY: Fault = {
  message: "the host has no memory left for this process",
  fix: "free memory, or raise the address-space limit (ulimit -v) or the container's memory limit",
};

export const MORE_PROCESSES =
  "raise the process limit (ulimit -u, TasksMax= for a service, --pids-limit for a container)";

const FAULTS: Readonly<Record<string, Fault>> = {
  EMFILE: DESCRIPTORS,
  ENFILE: { message: "the host is out of open files", fix: "raise it: sysctl -w fs.file-max=1048576" },
  ENOMEM: MEMORY,
  ERR_WORKER_OUT_OF_MEMORY: MEMORY,
  ERR_MEMORY_ALLOCATION_FAILED: MEMORY,
  // Node also reports this error when it has no descriptor left to open a package's files.
  ERR_MODULE_NOT_FOUND: {
    message: "a part of fourtuple could not be loaded",
    fix: "raise the open-file limit (ulimit -n 1024), or reinstall fourtuple",
  },
  EAGAIN: {
    message: "no more processes or threads can be started",
    fix: MORE_PROCESSES,
  },
};

const NO_DIRECTORY: Fault = {
  message: "the current directory no longer exists",
  fix: "change to one that exists: cd /",
};

/** Returns an AppError (E_SYSTEM) for an error caused by the host; undefined for any other, including an AppError. */
export function hostFault(error: unknown): AppError | undefined {
  if (!(error instanceof Error) || "fix" in error) return undefined;
  const fault = error.message.includes("uv_cwd") ? NO_DIRECTORY : FAULTS[codeOf(error) ?? ""];
  return fault && new AppError("E_SYSTEM", `${fault.message}: ${error.message}`, { fix: fault.fix, cause: error });
}

/** Returns an error's code, such as `EMFILE`. For `ERR_WORKER_INIT_FAILED`, the code is taken from the message. */
function codeOf(error: Error): string | undefined {
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
  return code === "ERR_WORKER_INIT_FAILED" ? (/\bE[A-Z]+\b/.exec(error.message)?.[0] ?? "EAGAIN") : code;
}
