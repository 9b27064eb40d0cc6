// Makes a connecting socket for the next free 4-tuple: socket, options, bind, connect. A tuple that is in use makes way for the next.
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

  /** @returns a connecting descriptor, or a negative errno whose step is in failedStep */
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
        // A tuple of our own choice that exists already (an old connection, a TIME_WAIT) makes way for the next.
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
   * The kernel gives a port that is bound by its number to no other connect(), whatever the address: a run over all ephemeral
   * ports would leave none to the whole network namespace. So connect() is made to choose the one we want.
   */
  private sharesPort(fd: number, port: number): boolean {
    // Services that start later may bind it all the same.
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
