// Reserves descriptors while threads fill a shared table. The main thread needs them afterwards to read the kernel's
// tables.
import { openEventfd } from "../../linux/syscalls/eventfd.js";
import { closeFd } from "../../linux/syscalls/socket.js";

/** A netlink socket, a /proc directory and a file in it, for each reader that may run concurrently. */
export const KEPT_DESCRIPTORS = 12;

export class DescriptorReserve {
  readonly #kept: number[] = [];

  /** @throws {AppError} E_SYSTEM if fewer are left */
  constructor() {
    try {
      while (this.#kept.length < KEPT_DESCRIPTORS) this.#kept.push(openEventfd());
    } catch (error) {
      this.release();
      throw error;
    }
  }

  release(): void {
    for (const fd of this.#kept.splice(0)) closeFd(fd);
  }
}
