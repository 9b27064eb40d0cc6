// Summaries from groups of sockets that the BPF program counts in the kernel, without visiting each socket.
import { isDeepStrictEqual } from "node:util";
import type { HashDump } from "../../linux/bpf/hash-dump.js";
import { PORT_BIT } from "../../linux/bpf/walk-groups.js";
import { DiagSocket } from "../../linux/netlink/diag-socket.js";
import { interfaceIndex } from "../../linux/syscalls/interface-names.js";
import type { PortRange } from "../../util/endpoint.js";
import { type EndQuery, isExact, type SocketQuery } from "../query.js";
import { toTest } from "../socket-test.js";
import type { SocketView } from "../view.js";
import type { SocketVisit } from "./pass.js";

/** Number of ports that a filter may name. Each has groups of its own. */
const MOST_WANTED = 64;
const ANY_PORT: PortRange = { first: 0, last: 65_535 };

/** What a summary does with groups, after its visitor has received the sockets that are in none. */
export interface GroupVisitor {
  /**
   * Counts sockets with the same addresses, state and port: the local one if something listens on it, else the remote
   * one. The other port is that of the first of them, unless a filter names it.
   */
  addGroup(socket: SocketView, sockets: number): void;
  /** The local ports of a group are either all within this range or all outside. At most one visitor has a range. */
  readonly localRange?: PortRange | undefined;
  /** Counts grouped sockets by local port, in ESTABLISHED and in other states, for summaries that need them. */
  readonly addPorts?: ((established: Uint32Array, others: Uint32Array) => void) | undefined;
  /**
   * Receives the log of a part of the table, which has all its sockets, also those that are visited; see LOG in
   * walk-groups.ts.
   *
   * @param firstOf returns the first socket of a group, valid until the next call
   */
  readonly addLog?: ((log: Int32Array, sockets: number, firstOf: (group: number) => SocketView) => void) | undefined;
}

/** What KnownListeners has. */
interface Known {
  readonly addresses: { local(socket: SocketView): number };
  readonly listening: {
    /** All listeners. */
    readonly sockets: readonly SocketView[];
    hasAccepted(socket: SocketView, localId: number): boolean;
  };
}

interface GroupedPart {
  readonly query: SocketQuery;
  readonly groups: GroupVisitor;
}

export class GroupSink {
  readonly portBits: Uint8Array;
  private readonly parts: readonly GroupedPart[];
  private readonly tests: readonly (((socket: SocketView) => boolean) | undefined)[];
  private readonly known: Known;

  /** @returns undefined if the groups do not tell apart what the summaries need */
  static of(cover: SocketQuery, parts: readonly GroupedPart[], known: Known): GroupSink | undefined {
    const wanted: PortRange[] = [];
    const needsExact = ({ groups }: GroupedPart) => groups.addPorts !== undefined || groups.addLog !== undefined;
    const isSuitable = parts.every(
      (part) =>
        [part.query, cover].every(({ local, remote, either }) =>
          [local, remote, either].every((end) => end === undefined || want(wanted, end)),
        ) &&
        (!needsExact(part) || (isExact(cover) && hasSameEnds(part.query, cover))) &&
        (part.groups.addPorts === undefined || part.query.states === cover.states),
    );
    return isSuitable ? new GroupSink(cover, parts, known, wanted) : undefined;
  }

  private constructor(cover: SocketQuery, parts: readonly GroupedPart[], known: Known, wanted: readonly PortRange[]) {
    this.parts = parts;
    this.known = known;
    this.tests = parts.map(({ query }) =>
      isExact(cover) && isDeepStrictEqual(query, cover) ? undefined : toTest(query, interfaceIndex),
    );
    const { first, last } = parts.find(({ groups }) => groups.localRange)?.groups.localRange ?? ANY_PORT;
    const bits = new Uint8Array(ANY_PORT.last + 1);
    bits.fill(PORT_BIT.outsideRange, 0, first).fill(PORT_BIT.outsideRange, last + 1);
    for (const { localPort } of known.listening.sockets) bits[localPort]! |= PORT_BIT.listening;
    for (const range of wanted) for (let port = range.first; port <= range.last; port++) bits[port]! |= PORT_BIT.wanted;
    this.portBits = bits;
  }

  /**
   * Visits the listeners that match, which the program does not read.
   *
   * @returns their number
   */
  visitListeners(query: SocketQuery, visit: SocketVisit): number {
    const matching = this.known.listening.sockets.filter(toTest(query, interfaceIndex));
    for (const socket of matching) visit(socket);
    return matching.length;
  }

  /** Call this after each part of the table. */
  addPart({ groups, logged }: HashDump): void {
    if (!groups) return;
    const socket = new DiagSocket(groups.bytes);
    const firstOf = (group: number) => {
      groups.show(group);
      return socket.move(0, groups.bytes.length);
    };
    for (const part of this.parts) part.groups.addLog?.(groups.log, logged, firstOf);
  }

  /**
   * Call this at the end of the table.
   *
   * @returns number of grouped sockets; undefined if several connections from here share a source port on which
   *   something listens at another address, so that their destinations are unknown
   */
  finish({ groups }: HashDump): number | undefined {
    if (!groups) return 0;
    const { parts, tests } = this;
    const { listening, addresses } = this.known;
    const socket = new DiagSocket(groups.bytes);
    let isAmbiguous = false;
    let grouped = 0;
    groups.forEach((offset, end, sockets) => {
      socket.move(offset, end);
      grouped += sockets;
      const isAccepted = () => listening.hasAccepted(socket, addresses.local(socket));
      isAmbiguous ||= sockets > 1 && groups.isRemotePortOmitted && !isAccepted();
      if (isAmbiguous) return;
      for (const [i, part] of parts.entries()) if (tests[i]?.(socket) ?? true) part.groups.addGroup(socket, sockets);
    });
    for (const part of parts) part.groups.addPorts?.(groups.portEstablished, groups.portOthers);
    return isAmbiguous ? undefined : grouped;
  }
}

/** @returns false if the condition names too many ports */
function want(wanted: PortRange[], { ports = [], oneOf = [] }: EndQuery): boolean {
  if (ports.some(({ first, last }) => last - first >= MOST_WANTED)) return false;
  wanted.push(...ports);
  return oneOf.every((end) => want(wanted, end));
}

/** Compares exact queries. */
function hasSameEnds(a: SocketQuery, b: SocketQuery): boolean {
  const ends = ({ local, remote, either, family }: SocketQuery) => [
    family,
    ...[local, remote, either].map((end) => end?.ports?.[0]),
  ];
  return isExact(a) && isDeepStrictEqual(ends(a), ends(b));
}
