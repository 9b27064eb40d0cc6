// Reserves descriptors while threads fill a shared table. The main thread needs some descriptors afterwards to read
// the kernel's tables.
import { openEventfd } from "../../linux/syscalls/eventfd.js";
import { closeFd } from "../../linux/syscalls/socket.js";

/** One netlink socket, one /proc directory and one file in it per concurrent reader. */
export const KEPT_DESCRIPTORS = 12;

export class DescriptorReserve {
  readonly #kept: number[] = [];

  /**
   * @throws {AppError} E_SYSTEM if too few descriptors are left
   */
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
