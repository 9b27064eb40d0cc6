// Reads this namespace's neighbour table (ip-neighbour(8)), and asks for addresses by ARP or neighbour discovery. The
// kernel sends the requests, so no raw socket is needed.
import type { Family, IpAddress } from "../../util/address.js";
import { attributesOf, changeNetlink, dumpNetlink } from "../netlink/netlink.js";
import { AF_INET, AF_INET6 } from "../syscalls/constants.js";

const NETLINK_ROUTE = 0;
const RTM_NEWNEIGH = 28;
const RTM_DELNEIGH = 29;
const RTM_GETNEIGH = 30;
/** struct ndmsg: family, padding, interface, state, flags, type. */
const NDMSG = { bytes: 12, index: 4, state: 8, flags: 10 } as const;
const NDA_DST = 1;
const NTF_USE = 0x01;
const NTF_PROXY = 0x08;
/** NUD_INCOMPLETE: asked, no answer yet. */
const PENDING = 0x01;
/** NUD_NONE and NUD_FAILED. */
const ABSENT = [0x00, 0x20];

export interface Neighbour {
  readonly ip: IpAddress;
  /** Interface index. */
  readonly index: number;
  /** `pending` while the kernel waits for an answer, `absent` if nobody answered, else `present`. */
  readonly state: "present" | "pending" | "absent";
}

/** Returns the entries of a family; undefined if netlink is refused. */
export function readNeighbours(family: Family): Neighbour[] | undefined {
  return readEntries(family, 0)?.map(({ body, ...entry }) => {
    const state = body.readUInt16LE(NDMSG.state);
    return { ...entry, state: state === PENDING ? "pending" : ABSENT.includes(state) ? "absent" : "present" };
  });
}

/** Returns the addresses that the kernel answers for on an interface, although this host does not have them. */
export function readProxied(family: Family): Omit<Neighbour, "state">[] | undefined {
  return readEntries(family, NTF_PROXY)?.map(({ ip, index }) => ({ ip, index }));
}

/** Makes the kernel ask who has an address. @returns 0, or a negative errno: -ENOBUFS if the table is full */
export function askFor(ip: IpAddress, index: number): number {
  // An entry of an earlier failure would not be asked for again at once.
  change(RTM_DELNEIGH, ip, index, 0);
  return change(RTM_NEWNEIGH, ip, index, NTF_USE);
}

/** Removes an address from the table. @returns 0 or a negative errno */
export function forget(ip: IpAddress, index: number): number {
  return change(RTM_DELNEIGH, ip, index, 0);
}

/** Makes the kernel answer for an address. @returns 0 or a negative errno */
export function addProxied(ip: IpAddress, index: number): number {
  return change(RTM_NEWNEIGH, ip, index, NTF_PROXY);
}

/** @returns 0, or a negative errno: -ENOENT if the kernel does not answer for the address */
export function removeProxied(ip: IpAddress, index: number): number {
  return change(RTM_DELNEIGH, ip, index, NTF_PROXY);
}

function readEntries(family: Family, flags: number) {
  const request = Buffer.alloc(NDMSG.bytes);
  request[0] = family === 4 ? AF_INET : AF_INET6;
  request[NDMSG.flags] = flags;
  // A table that is read only in part could hide the host that has an address.
  const answers = dumpNetlink(NETLINK_ROUTE, RTM_GETNEIGH, request, Number.POSITIVE_INFINITY);
  if (typeof answers === "number") return undefined;
  return answers.flatMap(({ body }) => {
    const bytes = attributesOf(body, NDMSG.bytes).get(NDA_DST);
    if (!bytes) return [];
    const ip: IpAddress = { family, bytes: Uint8Array.from(bytes) };
    return [{ body, ip, index: body.readInt32LE(NDMSG.index) }];
  });
}

function change(type: number, ip: IpAddress, index: number, flags: number): number {
  const request = Buffer.alloc(NDMSG.bytes + 4 + ip.bytes.length);
  request[0] = ip.family === 4 ? AF_INET : AF_INET6;
  request.writeInt32LE(index, NDMSG.index);
  request[NDMSG.flags] = flags;
  request.writeUInt16LE(4 + ip.bytes.length, NDMSG.bytes);
  request.writeUInt16LE(NDA_DST, NDMSG.bytes + 2);
  request.set(ip.bytes, NDMSG.bytes + 4);
  return changeNetlink(NETLINK_ROUTE, type, request, type === RTM_NEWNEIGH);
}
