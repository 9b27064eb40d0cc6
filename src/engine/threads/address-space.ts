// Checks for enough address space before starting a thread, because V8 kills the whole process if it cannot reserve it.

import { readAddressSpace } from "../../linux/proc/procfs.js";
import { AppError } from "../../util/errors.js";
import { formatBytes } from "../../util/units.js";

/** Address space reserved per thread by V8 and the C library, most of it never used. Measured: 440 MiB. */
const ADDRESS_SPACE_BYTES = 512 * 1024 ** 2;

/** @throws {AppError} E_WORKER if too little address space is left under RLIMIT_AS */
export function assertAddressSpace(): void {
  const { usedBytes, limitBytes } = readAddressSpace();
  if (limitBytes - usedBytes >= ADDRESS_SPACE_BYTES) return;
  throw new AppError(
    "E_WORKER",
    `a thread reserves ${formatBytes(ADDRESS_SPACE_BYTES)} of address space, but less is left`,
    {
      fix: "raise the address-space limit: ulimit -v unlimited",
      facts: { usedBytes, limitBytes },
    },
  );
}
