// Explains why a server cannot listen: which process holds the port, or what is missing, and how to fix it.

import { countPortsWithin, readLocalPortRange, readReservedPorts } from "../../linux/proc/local-ports.js";
import { readSysctlNumbers } from "../../linux/proc/sysctl.js";
import {
  EACCES,
  EADDRINUSE,
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EMFILE,
  ENFILE,
  EPERM,
  errnoMeaning,
  errnoName,
} from "../../linux/syscalls/errno.js";
import { describeProcess } from "../../socket-table/listeners/peer-process.js";
import { findPortHolders, type PortHolder } from "../../socket-table/listeners/port-holders.js";
import { formatIp, type IpAddress } from "../../util/address.js";
import { formatEndpoint } from "../../util/endpoint.js";
import { AppError } from "../../util/errors.js";
import { formatCount, formatDuration, plural } from "../../util/units.js";

/** Maximum number of port holders to name. */
const NAMED = 3;
/** How long to look for the owner of a port: a fleet's coordinator, for one, does not wait longer than 10 s. */
const SEARCH_MS = 6000;
const CUT_SHORT = `; the search for its process was cut short after ${formatDuration(SEARCH_MS)}, because this host has many processes or open files`;

/** @param errno errno of socket(), bind() or listen() */
export async function listenError(ip: IpAddress, port: number, errno: number): Promise<AppError> {
  const endpoint = formatEndpoint(formatIp(ip), port);
  if (errno === EADDRINUSE) return port === 0 ? noPortLeft(ip, endpoint) : await portInUse(ip, port, endpoint);
  const facts = { endpoint, errno: errnoName(errno) };
  if (errno === EACCES || errno === EPERM) return forbidden(port, facts);
  const [why, fix] = reason(ip, errno);
  return new AppError("E_LISTEN", `cannot listen on ${endpoint}: ${why}`, { fix, facts });
}

async function portInUse(ip: IpAddress, port: number, endpoint: string): Promise<AppError> {
  // If the socket table cannot be read, or the socket has disappeared meanwhile, only the errno is known.
  const holders = await findPortHolders(ip, port, AbortSignal.timeout(SEARCH_MS)).catch(() => []);
  const first = holders[0];
  const facts = {
    endpoint,
    errno: "EADDRINUSE",
    ...(first && { holder: first.kind }),
    ...(first?.owner && { pid: first.owner.pid, process: first.owner.command }),
  };
  return new AppError(
    "E_PORT_IN_USE",
    `cannot listen on ${endpoint}: the port is in use${first ? `: ${describe(holders, ip, port)}` : ""}${first?.wasCutShort ? CUT_SHORT : ""}`,
    {
      fix: first
        ? advise(first, port)
        : `choose another port, or see what uses it, as root: ss -tanp "sport = :${port}"`,
      facts,
    },
  );
}

function describe(holders: readonly PortHolder[], ip: IpAddress, port: number): string {
  const first = holders[0]!;
  const alike = holders.filter(({ kind }) => kind === first.kind);
  const who = [...new Set(alike.map(nameOwner))];
  const names =
    who.slice(0, NAMED).join(", ") + (who.length > NAMED ? ` and ${formatCount(who.length - NAMED)} more` : "");
  const at = formatEndpoint(first.ip, port);
  switch (first.kind) {
    case "listening":
      return `${names} listens on ${at}${isOtherFamily(first, ip) ? ", and [::] also accepts IPv4" : ""}`;
    case "bound":
      return `${names} has bound ${at} without listening`;
    case "connected": {
      const more = alike.length > 1 ? ` and ${formatCount(alike.length - 1)} more` : "";
      return `it is the local port of a connection held by ${names}: ${at} → ${formatEndpoint(first.peer!.ip, first.peer!.port)}${more}`;
    }
    default:
      return `${plural(alike.length, "connection")} in TIME_WAIT whose program had not set SO_REUSEADDR, for ${formatDuration(first.leftMs)} more`;
  }
}

/**
 * Returns whether the holder and the address differ in family: 0.0.0.0 and :: exclude each other, and so do :: and
 * any IPv4 address.
 */
function isOtherFamily(holder: PortHolder, ip: IpAddress): boolean {
  return holder.ip.includes(":") !== (ip.family === 6);
}

function nameOwner({ owner, uid }: PortHolder): string {
  return owner ? describeProcess(owner) : `a process of user ${uid}`;
}

function advise({ kind, owner, leftMs }: PortHolder, port: number): string {
  const range = readLocalPortRange();
  const isEphemeral = range !== undefined && port >= range.first && port <= range.last;
  switch (kind) {
    case "listening":
      return `choose another port, or end that process; ss -ltnp "sport = :${port}" shows it`;
    case "bound":
      return `choose another port, or end ${owner ? `process ${owner.pid}` : "that process"}; ss does not show a socket that is only bound`;
    case "connected":
      return `choose another port, or wait until the connection ends; ss -tanp "sport = :${port}" shows it${isEphemeral ? `. To keep the kernel from giving it to clients: net.ipv4.ip_local_reserved_ports=${port}` : ""}`;
    default:
      return `try again in ${formatDuration(leftMs)}, or choose another port`;
  }
}

/** Explains EADDRINUSE for port 0, when bind() has tried every port of the range. */
function noPortLeft(ip: IpAddress, endpoint: string): AppError {
  const range = readLocalPortRange();
  const facts = { endpoint, errno: "EADDRINUSE" };
  if (!range) {
    return new AppError("E_PORT_IN_USE", `cannot listen on ${endpoint}: no free ephemeral port`, {
      fix: "specify a port",
      facts,
    });
  }
  const count = range.last - range.first + 1 - countPortsWithin(readReservedPorts() ?? [], range);
  return new AppError(
    "E_PORT_IN_USE",
    `cannot listen on ${endpoint}: no free ephemeral port: all ${formatCount(count)} of ${range.first}-${range.last} are in use at ${formatIp(ip)}`,
    {
      fix: `choose a port outside ${range.first}-${range.last}, or widen net.ipv4.ip_local_port_range`,
      facts: { ...facts, first: range.first, last: range.last },
    },
  );
}

function forbidden(port: number, facts: { readonly endpoint: string; readonly errno: string }): AppError {
  const start = readSysctlNumbers("net.ipv4.ip_unprivileged_port_start")?.[0] ?? 1024;
  const message = `cannot listen on ${facts.endpoint}:`;
  if (port > 0 && port < start && facts.errno === "EACCES") {
    return new AppError("E_PERMISSION", `${message} ports below ip_unprivileged_port_start need a privilege`, {
      fix: `choose a port of ${start} or above, or run as root or with CAP_NET_BIND_SERVICE`,
      facts: { ...facts, start },
    });
  }
  return new AppError("E_PERMISSION", `${message} a security policy on this host forbids it (${facts.errno})`, {
    fix: "check SELinux or AppArmor (ausearch -m avc, dmesg), Landlock, and systemd's SocketBindDeny= (bpftool cgroup tree)",
    facts,
  });
}

function reason(ip: IpAddress, errno: number): [why: string, fix: string] {
  if (errno === EADDRNOTAVAIL) {
    const isOff = ip.family === 6 && readSysctlNumbers("net.ipv6.conf.all.disable_ipv6")?.[0] === 1;
    return isOff
      ? ["IPv6 is disabled (net.ipv6.conf.all.disable_ipv6=1)", "listen on an IPv4 address, or set that sysctl to 0"]
      : [
          "this host does not have that address",
          "listen on an address of this host (ip -brief address), or on 0.0.0.0 for all of them",
        ];
  }
  if (errno === EAFNOSUPPORT) {
    return [`this kernel has no IPv${ip.family}`, `listen on an IPv${ip.family === 6 ? 4 : 6} address`];
  }
  if (errno === EMFILE) return ["the descriptor table is full", "raise the open-file limit: ulimit -n"];
  if (errno === ENFILE) return ["the host is out of open files", "raise fs.file-max"];
  return [errnoMeaning(errno), `see errno ${errnoName(errno)} of bind(2) and listen(2)`];
}
