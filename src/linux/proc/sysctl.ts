// Reads and writes kernel settings in /proc/sys by dotted name, such as `net.core.somaxconn`. As in sysctl(8), a slash
// stands for a dot within a name: `net.ipv4.conf.eth0/100.forwarding` is about the interface eth0.100.
import { closeSync, constants, openSync, readSync, writeFileSync } from "node:fs";
import { errnoOf } from "../syscalls/errno.js";

/** This is enough for everything except port lists. The kernel zeroes as much memory as a read requests. */
const USUAL_VALUE = 4096;
/**
 * The longest value: 32,768 reserved ports with commas. The kernel returns a list on the first read only, so a single
 * read must take all of it; readFileSync() would stop after 8 KiB.
 */
const LONGEST_VALUE = 256 * 1024;

/** Returns an interface's name as part of a setting's name. */
export function interfacePart(name: string): string {
  return name.replaceAll(".", "/");
}

/** Returns a sysctl as text, without the newline; undefined if it does not exist or access is denied. */
export function readSysctl(name: string): string | undefined {
  try {
    const bytes = readAtOnce(name, USUAL_VALUE);
    return (bytes.length < USUAL_VALUE ? bytes : readAtOnce(name, LONGEST_VALUE)).toString().trim();
  } catch {
    return undefined;
  }
}

/** Returns a sysctl's numbers: one, or several as in `net.ipv4.tcp_mem`. */
export function readSysctlNumbers(name: string): number[] | undefined {
  return readSysctl(name)?.split(/\s+/).map(Number);
}

/**
 * Checks whether a setting can be written, without writing it.
 *
 * @returns 0, or a negative errno: -EACCES without privileges, -EROFS in most containers, -ENOENT if the setting does
 *   not exist
 */
export function probeSysctl(name: string): number {
  return withSysctl(name, () => undefined);
}

/**
 * Writes a setting. Read the setting back for the effective value, which the kernel may round or reformat.
 *
 * @returns 0, or a negative errno as for probeSysctl(), or -EINVAL for a value that is out of range
 */
export function writeSysctl(name: string, value: string): number {
  return withSysctl(name, (fd) => writeFileSync(fd, `${value}\n`));
}

/** Returns the result of a single read of up to `most` bytes from the start. */
function readAtOnce(name: string, most: number): Buffer {
  const fd = openSync(pathOf(name), constants.O_RDONLY);
  try {
    const buffer = Buffer.allocUnsafe(most);
    return buffer.subarray(0, readSync(fd, buffer));
  } finally {
    closeSync(fd);
  }
}

function withSysctl(name: string, use: (fd: number) => void): number {
  try {
    // Neither create nor truncate: an unknown name must yield ENOENT.
    const fd = openSync(pathOf(name), constants.O_WRONLY);
    try {
      use(fd);
      return 0;
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    return errnoOf(error);
  }
}

function pathOf(name: string): string {
  return `/proc/sys/${name.replace(/[./]/g, (mark) => (mark === "." ? "/" : "."))}`;
}
