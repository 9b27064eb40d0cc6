// Whether there is address space for one more thread: V8 ends the whole process when it cannot reserve it.

import { readAddressSpace } from "../../linux/proc/procfs.js";
import { AppError } from "../../util/errors.js";
import { formatBytes } from "../../util/units.js";

/** What V8 and the C library reserve for a thread, hardly any of it ever used: 440 MiB were measured. */
const ADDRESS_SPACE_BYTES = 512 * 1024 ** 2;

/** @throws {AppError} E_WORKER when there is too little left under RLIMIT_AS */
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
