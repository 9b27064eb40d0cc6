// Explains why a worker could not open its transport.
import {
  EEXIST,
  EMFILE,
  ENETDOWN,
  ENFILE,
  ENOMEM,
  ENOSPC,
  errnoMeaning,
  errnoName,
  isForbidden,
} from "../../linux/syscalls/errno.js";
import { AppError } from "../../util/errors.js";

const FIXES: Readonly<Record<number, string>> = {
  [EMFILE]: "raise the open-file limit (ulimit -n), or open fewer connections",
  [ENFILE]: "raise fs.file-max",
  [ENOMEM]: "free memory; with --engine uring, also raise the locked-memory limit (ulimit -l)",
  [ENOSPC]: "raise fs.epoll.max_user_watches",
  [ENETDOWN]: "find out what manages network interfaces here, and make it leave fourtuple's alone",
};
const FORBIDDEN = "check what restricts this process: capabilities, seccomp, SELinux or AppArmor";
const UNKNOWN = "this is a bug in fourtuple; please report it with this message";

/** @param errno positive errno */
export function startError(thread: number, errno: number): AppError {
  // Only a TUN device's routes can exist already.
  if (errno === EEXIST) {
    return new AppError("E_SOURCE", "another run that started at the same time routes some of the same addresses", {
      fix: "use addresses that no other run uses",
    });
  }
  return new AppError("E_WORKER", `thread ${thread} could not start: ${errnoName(errno)}, ${errnoMeaning(errno)}`, {
    fix: FIXES[errno] ?? (isForbidden(errno) ? FORBIDDEN : UNKNOWN),
    facts: { errno: errnoName(errno) },
  });
}
