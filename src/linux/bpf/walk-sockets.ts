// The part of the BPF program that tests a socket and writes it to the map as a struct inet_diag_msg, or counts it.
import { DIAG_FIELD } from "../netlink/diag-message.js";
import { AF_INET6, TCP_SYN_RECV, TCP_TIME_WAIT } from "../syscalls/constants.js";
import type { Assembler } from "./assembler.js";
import type { KernelLayout } from "./kernel-layout.js";
import { assembleDetails } from "./walk-details.js";
import { assembleGrouping } from "./walk-groups.js";
import { GROUP_PLACES, STEPS, WALK, type WalkMode, walkPlaces } from "./walk-map.js";

const NEW_SYN_RECV = 12;

export interface SocketTarget {
  readonly mapFd: number;
  readonly mode: WalkMode;
  /** Turns the address in R1 into a pointer of the given type in R0. */
  readonly cast: (type: number) => Assembler;
}

/**
 * Handles the socket in R8, with the map's value in R6. Continues behind or at "done", or at "complete" if the map is
 * full. R7 and R9 are lost.
 */
export function assembleSocket(a: Assembler, layout: KernelLayout, target: SocketTarget): void {
  assembleTest(a, layout, target);
  const { mapFd, mode } = target;
  if (mode === "groups")
    assembleGrouping(a, layout, { mapFd, places: GROUP_PLACES, logged: WALK.logged, hash: WALK.hash, steps: STEPS });
  assembleRow(a, layout, target);
}

/** Leaves the local port in R3, the remote port in R4, the family in R5 and the state in R7. */
function assembleTest(a: Assembler, { offsets, types }: KernelLayout, { cast }: SocketTarget): void {
  /** Ends this step if R`register` is outside a range. */
  const within = (register: number, range: number, label: string) =>
    a
      .load(8, 1, 6, range)
      .jumpIfBy("lt", register, 1, label)
      .load(8, 1, 6, range + 8)
      .jumpIfBy("gt", register, 1, label);

  a.load(8, 1, 6, WALK.everyNamespace)
    .jumpIf("ne", 1, 0, "is here")
    .load(8, 1, 8, offsets.net)
    .load(8, 2, 6, WALK.net)
    .jumpIfBy("ne", 1, 2, "done")
    .label("is here")
    .load(1, 7, 8, offsets.state)
    .jumpIf("ne", 7, TCP_TIME_WAIT, "not time-wait")
    // An orphan in FIN_WAIT2 is stored as a TIME_WAIT socket as well.
    .aluBy("mov", 1, 8);
  cast(types.timeWait)
    .load(1, 7, 0, offsets.timeWaitState)
    .label("not time-wait")
    .jumpIf("ne", 7, NEW_SYN_RECV, "not a request")
    .alu("mov", 7, TCP_SYN_RECV)
    .label("not a request")
    .alu("and", 7, 15)
    .alu("mov", 1, 1)
    .aluBy("lsh", 1, 7)
    .load(8, 2, 6, WALK.states)
    .aluBy("and", 1, 2)
    .jumpIf("eq", 1, 0, "done")
    .load(2, 5, 8, offsets.family)
    .load(8, 1, 6, WALK.family)
    .jumpIf("eq", 1, 0, "any family")
    .jumpIfBy("ne", 1, 5, "done")
    .label("any family")
    .load(4, 3, 8, offsets.bothPorts)
    .aluBy("mov", 4, 3)
    .alu("rsh", 3, 8 * (offsets.localPort - offsets.bothPorts))
    .alu("and", 3, 0xffff)
    .alu("rsh", 4, 8 * (offsets.remotePort - offsets.bothPorts))
    .swap16(4)
    // The verifier forgets the size of a swapped value.
    .alu("and", 4, 0xffff);
  within(3, WALK.localPorts, "done");
  within(4, WALK.remotePorts, "done");
  within(3, WALK.eitherPorts, "not local");
  a.jump("matches").label("not local");
  within(4, WALK.eitherPorts, "done");
  a.label("matches");
}

function assembleRow(
  a: Assembler,
  { offsets, types, details, cgroup }: KernelLayout,
  { mapFd, mode, cast }: SocketTarget,
): void {
  const { firstRow, rowBytes } = walkPlaces(mode);
  a.load(8, 1, 6, WALK.rows).jumpIf("ge", 1, STEPS, "complete");
  a.aluBy("mov", 2, 1).alu("add", 2, 1).store(8, 6, WALK.rows, 2);
  // R9 becomes the row.
  a.alu("mul", 1, rowBytes).mapValue(9, mapFd, firstRow).aluBy("add", 9, 1);
  // Family and state; timer and retransmissions are 0.
  a.alu("lsh", 7, 8).aluBy("add", 7, 5).store(4, 9, DIAG_FIELD.family, 7);
  a.swap16(3).store(2, 9, DIAG_FIELD.localPort, 3).swap16(4).store(2, 9, DIAG_FIELD.remotePort, 4);
  a.load(4, 1, 8, offsets.interface).store(4, 9, DIAG_FIELD.interface, 1);
  a.jumpIf("eq", 5, AF_INET6, "ipv6");
  for (const [from, to] of [
    [offsets.localIpv4, DIAG_FIELD.localIp],
    [offsets.remoteIpv4, DIAG_FIELD.remoteIp],
  ] as const) {
    a.load(4, 1, 8, from)
      .store(8, 9, to, 1)
      .storeValue(8, 9, to + 8, 0);
  }
  a.jump("written").label("ipv6");
  for (const [from, to] of [
    [offsets.localIpv6, DIAG_FIELD.localIp],
    [offsets.remoteIpv6, DIAG_FIELD.remoteIp],
  ] as const) {
    a.load(8, 1, 8, from)
      .store(8, 9, to, 1)
      .load(8, 1, 8, from + 8)
      .store(8, 9, to + 8, 1);
  }
  a.label("written");
  if (mode === "details" && details) assembleDetails(a, details, cgroup, offsets.state, cast);
  // With all namespaces, the row's inode identifies the socket's namespace.
  a.load(8, 1, 6, WALK.everyNamespace).jumpIf("eq", 1, 0, "done").load(8, 1, 8, offsets.net);
  cast(types.net).load(4, 1, 0, offsets.namespaceInode).store(4, 9, DIAG_FIELD.inode, 1);
}
