// A process that holds a network namespace: the kernel takes the namespace, and all that is in it, when it ends. It waits
// at the end of a pipe from here, which the kernel closes when this process ends, even by SIGKILL: so nothing can stay.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { AppError } from "../../util/errors.js";

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
 * @throws {AppError} E_SYSTEM when there is no such program or the kernel refuses
 */
export async function holdNamespaces(enter: readonly string[], namespaces: readonly string[]): Promise<Holder> {
  const line = [...enter, "unshare", ...namespaces, "--", "sh", "-c", HOLD];
  const holder = spawn(line[0]!, line.slice(1), { detached: true, stdio: "pipe" });
  const ended = once(holder, "close");
  const failed = Promise.all([text(holder.stderr), ended]).then(
    ([errors]) => {
      throw new AppError("E_SYSTEM", errors.trim() || "the process that holds a network namespace ended");
    },
    (cause) => {
      throw new AppError("E_SYSTEM", `${line[0]} is not installed`, { cause });
    },
  );
  failed.catch(() => undefined);
  // It speaks once the namespaces are made.
  await Promise.race([once(holder.stdout, "data"), failed]);
  // Who forgets to close the place is not kept from ending by it.
  const handles = [holder, holder.stdin, holder.stdout, holder.stderr] as { ref(): void; unref(): void }[];
  for (const handle of handles) handle.unref();
  return {
    pid: holder.pid!,
    end: async () => {
      for (const handle of handles) handle.ref();
      holder.stdin.end();
      await ended;
    },
  };
}
