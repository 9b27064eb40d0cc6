// The program that started this one and ends it by its own end, as the demo and the lab do: our standard input is a pipe from it, which
// the kernel closes whatever ended it.
import { PARENT_PIPE } from "../util/subprocess.js";

/** Calls `listener` once it is gone, even by SIGKILL. @returns a function that forgets the listener */
export function onParentGone(listener: () => void): () => void {
  if (process.env[PARENT_PIPE] === undefined) return () => undefined;
  const { stdin } = process;
  stdin.once("end", listener);
  stdin.once("error", listener);
  // Nobody writes to it: it must not keep this process alive.
  stdin.resume().unref();
  return () => {
    stdin.off("end", listener);
    stdin.off("error", listener);
  };
}
