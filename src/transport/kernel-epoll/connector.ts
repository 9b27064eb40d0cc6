// Opens a connecting socket for the next available 4-tuple: socket, options, bind, connect. Tuples that are in use are
// skipped.
import { readLocalPortRange } from "../../linux/proc/local-ports.js";
import { EADDRINUSE, EADDRNOTAVAIL, EINPROGRESS } from "../../linux/syscalls/errno.js";
import {
  allowAddressReuse,
  allowOnlyPort,
  bindTo,
  closeFd,
  connectTo,
  delayPortChoice,
  openTcp,
} from "../../linux/syscalls/socket.js";
import { STEP } from "../../util/steps.js";
import type { TupleSource } from "../tuple-source.js";

export class Connector {
  /** The STEP in which the last open() failed. */
  failedStep = 0;
  private readonly tuples: TupleSource;
  private readonly ephemeral = readLocalPortRange();

  constructor(tuples: TupleSource) {
    this.tuples = tuples;
  }

  /** @returns descriptor of a connecting socket, or a negative errno whose step is in failedStep */
  open(slot: number): number {
    const { tuples } = this;
    for (let passedOver = 0; ; passedOver++) {
      const tuple = tuples.take(slot, passedOver);
      if (tuple < 0) return this.fail(STEP.bind, -EADDRNOTAVAIL);
      const { destination } = tuples;
      const fd = openTcp(destination.family);
      if (fd < 0) {
        tuples.giveBack(tuple);
        return this.fail(STEP.socket, fd);
      }
      const bound = tuples.isUnbound ? 0 : this.bind(fd);
      if (bound < 0) {
        closeFd(fd);
        if (bound === -EADDRNOTAVAIL) tuples.cannotBind(tuple);
        if (bound !== -EADDRINUSE) return this.fail(STEP.bind, bound);
        continue;
      }
      const result = connectTo(fd, destination);
      if (result < 0 && result !== -EINPROGRESS) {
        closeFd(fd);
        // This explicitly chosen tuple already exists (an earlier connection, possibly in TIME_WAIT). Try the next one.
        if (result !== -EADDRNOTAVAIL || tuples.kernelPicksPort) return this.fail(STEP.connect, result);
        continue;
      }
      return fd;
    }
  }

  private bind(fd: number): number {
    const { kernelPicksPort, sourcePort, source } = this.tuples;
    const leavesPort = kernelPicksPort || this.sharesPort(fd, sourcePort);
    source.setPort(leavesPort ? 0 : sourcePort);
    const option = leavesPort ? delayPortChoice(fd) : 0;
    return option < 0 ? option : bindTo(fd, source);
  }

  /**
   * Restricts connect() to `port` instead of binding the port. The kernel never assigns an explicitly bound port to
   * another connect(), whatever the address, so a run over all ephemeral ports would leave no ports for the rest of the
   * network namespace.
   */
  private sharesPort(fd: number, port: number): boolean {
    // This lets services that start later bind the port.
    allowAddressReuse(fd);
    if (!this.ephemeral) return false;
    const { first, last } = this.ephemeral;
    return port >= first && port <= last && allowOnlyPort(fd, port) >= 0;
  }

  private fail(step: number, error: number): number {
    this.failedStep = step;
    return error;
  }
}
