// errno values used in code, and the names and meanings of all errnos.
import { getSystemErrorMap } from "node:util";

export const EPERM = 1;
export const ENOENT = 2;
export const EINTR = 4;
export const EIO = 5;
export const ENXIO = 6;
export const E2BIG = 7;
export const EBADF = 9;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EACCES = 13;
export const EBUSY = 16;
export const EEXIST = 17;
export const ENODEV = 19;
export const EISDIR = 21;
export const EINVAL = 22;
export const ENFILE = 23;
export const EMFILE = 24;
export const ENOSPC = 28;
export const EROFS = 30;
export const EPIPE = 32;
export const ENOSYS = 38;
export const ETIME = 62;
export const ENONET = 64;
export const EPROTO = 71;
export const EBADFD = 77;
export const EMSGSIZE = 90;
export const ENOPROTOOPT = 92;
export const EOPNOTSUPP = 95;
export const EAFNOSUPPORT = 97;
export const EADDRINUSE = 98;
export const EADDRNOTAVAIL = 99;
export const ENETDOWN = 100;
export const ENETUNREACH = 101;
export const ECONNABORTED = 103;
export const ECONNRESET = 104;
export const ENOBUFS = 105;
export const EISCONN = 106;
export const ENOTCONN = 107;
export const ETIMEDOUT = 110;
export const ECONNREFUSED = 111;
export const EHOSTDOWN = 112;
export const EHOSTUNREACH = 113;
export const EALREADY = 114;
export const EINPROGRESS = 115;
export const ESTALE = 116;
export const ECANCELED = 125;

/** Largest errno on Linux plus one: the length of a table indexed by errno. */
export const ERRNO_LIMIT = 134;

/** Returns `ECONNREFUSED` for 111, or `errno 999` if unknown. */
export function errnoName(errno: number): string {
  return getSystemErrorMap().get(-errno)?.[0] ?? `errno ${errno}`;
}

/** Returns `connection refused` for 111. */
export function errnoMeaning(errno: number): string {
  return getSystemErrorMap().get(-errno)?.[1] ?? "unknown error";
}

/** Returns the negative errno of an error thrown by Node; -EIO if it has none. */
export function errnoOf(error: unknown): number {
  const errno = error instanceof Error && "errno" in error ? error.errno : undefined;
  return typeof errno === "number" ? errno : -EIO;
}

/** Returns whether an errno indicates a lack of privileges: EACCES, EPERM, EROFS. */
export function isForbidden(errno: number): boolean {
  return errno === EACCES || errno === EPERM || errno === EROFS;
}
