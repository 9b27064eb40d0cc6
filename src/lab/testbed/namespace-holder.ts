// A process that keeps a network namespace alive. When the process exits, the kernel removes the namespace and
// everything in it. The holder reads from a pipe that the kernel closes when this process exits, even by SIGKILL, so
// nothing is ever left behind.
import { AppError } from "../../util/errors.js";
import { Subprocess } from "../../util/subprocess.js";

/**
 * Kills the remaining connections at the end. Orphaned sockets that can no longer reach their peer would keep the
 * namespace and its memory for two minutes; sockets in TIME_WAIT do not. The delay remains if `ss`, or
 * INET_DIAG_DESTROY in the kernel, is missing.
 */
const HOLD = "echo held; read -r end; exec ss --kill --tcp --numeric state big >/dev/null 2>&1";

export interface NamespaceHolder {
  readonly pid: number;
  end(): Promise<void>;
}

/**
 * Creates namespaces and holds them.
 *
 * @param enter command prefix that runs a program in the parent namespace
 * @param namespaces options of `unshare`, such as `--net`
 * @throws {AppError} E_PLATFORM if a program is missing, E_SYSTEM if the kernel refuses
 */
export async function holdNamespaces(
  enter: readonly string[],
  namespaces: readonly string[],
): Promise<NamespaceHolder> {
  const holder = new Subprocess([...enter, "unshare", ...namespaces, "--", "sh", "-c", HOLD], {
    detached: true,
    stdin: "pipe",
  });
  await holder.prints(/held/).catch((cause) => {
    if (holder.pid === undefined) throw cause;
    throw new AppError("E_SYSTEM", holder.stderr.trim() || "the process that holds a network namespace exited", {
      cause,
    });
  });
  // This lets a caller that forgets to close the testbed exit anyway.
  const { child } = holder;
  const handles = [child, child.stdin, child.stdout, child.stderr] as { ref(): void; unref(): void }[];
  for (const handle of handles) handle.unref();
  return {
    pid: holder.pid!,
    end: async () => {
      for (const handle of handles) handle.ref();
      child.stdin!.end();
      await holder.result;
    },
  };
}
