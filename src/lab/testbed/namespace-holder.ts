// A process that keeps a network namespace alive: the kernel removes the namespace, and all that is in it, when the process ends. It
// waits at the end of a pipe from here, which the kernel closes when this process ends, even by SIGKILL: so nothing can stay behind.
import { AppError } from "../../util/errors.js";
import { Subprocess } from "../../util/subprocess.js";

/**
 * Its last act is to end the connections: those whose program is gone, and that cannot tell their peer so any more, would
 * otherwise keep the namespace and its memory for two minutes. TIME_WAIT does not. Without `ss`, or where the kernel is built
 * without it (INET_DIAG_DESTROY), it takes that long.
 */
const HOLD = "echo held; read -r end; exec ss --kill --tcp --numeric state big >/dev/null 2>&1";

export interface Holder {
  readonly pid: number;
  end(): Promise<void>;
}

/**
 * Makes namespaces.
 *
 * @param enter the command prefix by which a program runs where they are to be made
 * @param namespaces options of `unshare`, such as `--net`
 * @throws {AppError} E_PLATFORM when there is no such program, E_SYSTEM when the kernel refuses
 */
export async function holdNamespaces(enter: readonly string[], namespaces: readonly string[]): Promise<Holder> {
  const holder = new Subprocess([...enter, "unshare", ...namespaces, "--", "sh", "-c", HOLD], {
    detached: true,
    stdin: "pipe",
  });
  await holder.prints(/held/).catch((cause) => {
    if (holder.pid === undefined) throw cause;
    throw new AppError("E_SYSTEM", holder.stderr.trim() || "the process that holds a network namespace ended", {
      cause,
    });
  });
  // Who forgets to close the place is not kept from ending by it.
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
