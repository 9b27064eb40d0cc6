// Settings of the kernel by their dotted names, `net.core.somaxconn`: read from and written to /proc/sys.
import { closeSync, constants, openSync, readSync, writeFileSync } from "node:fs";
import { errnoOf } from "../syscalls/errno.js";

/** Enough for any but lists of ports. The kernel zeroes as much memory as a read asks for. */
const USUAL_VALUE = 4096;
/**
 * The longest value there is: 32,768 reserved ports, each with its comma. The kernel answers a list's first read only, so
 * that one has to take it whole: Node's own reader would end after 8 KiB.
 */
const LONGEST_VALUE = 256 * 1024;

/** A sysctl as text, without the line's end; undefined where it does not exist or may not be read. */
export function readSysctl(name: string): string | undefined {
  try {
    const bytes = readAtOnce(name, USUAL_VALUE);
    return (bytes.length < USUAL_VALUE ? bytes : readAtOnce(name, LONGEST_VALUE)).toString().trim();
  } catch {
    return undefined;
  }
}

/** A sysctl's numbers: one, or several as in `net.ipv4.tcp_mem`. */
export function readSysctlNumbers(name: string): number[] | undefined {
  return readSysctl(name)?.split(/\s+/).map(Number);
}

/**
 * Whether the setting may be written, without writing it.
 *
 * @returns 0, or a negative errno: -EACCES without the privilege, -EROFS in most containers, -ENOENT when there is none
 */
export function probeSysctl(name: string): number {
  return withSysctl(name, () => undefined);
}

/**
 * Writes a setting. Which value is in force then has to be read: the kernel may round it or put it into another form.
 *
 * @returns 0, or a negative errno: as probeSysctl(), and -EINVAL for a value out of the kernel's bounds
 */
export function writeSysctl(name: string, value: string): number {
  return withSysctl(name, (fd) => writeFileSync(fd, `${value}\n`));
}

/** What one read from the start brings, `most` bytes of it. */
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
    // Neither made nor truncated: a name that does not exist has to say ENOENT.
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
  return `/proc/sys/${name.replaceAll(".", "/")}`;
}
