// Descriptors kept back while threads fill a table that all share: the main thread wants some afterwards, to read the
// kernel's tables.
import { openEventfd } from "../../linux/syscalls/eventfd.js";
import { closeFd } from "../../linux/syscalls/socket.js";

/** A netlink socket, a folder of /proc and a file in it, one for each reader that may be at work. */
export const KEPT_DESCRIPTORS = 12;

export class DescriptorReserve {
  readonly #kept: number[] = [];

  /** @throws {AppError} E_SYSTEM when there are fewer left */
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
