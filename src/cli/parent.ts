// Detects the exit of the program that started this one, such as the demo or the lab. Standard input is a pipe from
// that program, and the kernel closes it however the program exits.
import { PARENT_PIPE } from "../util/subprocess.js";

/**
 * Calls `listener` when the parent has exited, even by SIGKILL.
 * @returns a function that removes the listener
 */
export function onParentGone(listener: () => void): () => void {
  if (process.env[PARENT_PIPE] === undefined) return () => undefined;
  const { stdin } = process;
  stdin.once("end", listener);
  stdin.once("error", listener);
  // The parent writes nothing to the pipe, which must not keep this process alive.
  stdin.resume().unref();
  return () => {
    stdin.off("end", listener);
    stdin.off("error", listener);
  };
}
