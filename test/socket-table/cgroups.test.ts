// Tests to which cgroups sockets without a visible process belong, against `ss --cgroup`, in separate network namespaces.
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { basename } from "node:path";
import { describe, expect, it } from "vitest";
import { countByOwner } from "../../src/socket-table/listeners/owner-counts.js";
import { readTable, type SourceName } from "../../src/socket-table/table.js";
import { canUseBpf } from "../support/bpf.js";
import { canMakeUnifiedGroups, makeUnit, unifiedRoot } from "../support/cgroup.js";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { CLI_FILE, resultOf, start } from "../support/process.js";
import { acceptMany, connectRaw, listenRaw } from "../support/raw-sockets.js";

const PORT = 7777;
const OWN_PORT = 7778;
/** Opens four connections over IPv4, one of which ends in TIME_WAIT, and one over IPv6. */
const PROGRAM = `
import signal, socket, sys
v4 = socket.create_server(("127.0.0.1", ${PORT}))
v6 = socket.create_server(("::1", ${PORT}), family=socket.AF_INET6)
clients = [socket.create_connection(("127.0.0.1", ${PORT})) for _ in range(4)]
accepted = [v4.accept()[0] for _ in clients]
clients[0].sendall(b"unread")
clients.pop().close()
accepted.pop().close()
sockets = [v4, v6, *clients, *accepted, socket.create_connection(("::1", ${PORT})), v6.accept()[0]]
if sys.argv[1] == "in flight":
    pair = socket.socketpair()
    socket.send_fds(pair[0], [b"sockets"], [each.fileno() for each in sockets])
    for each in sockets: each.close()
print("ready", flush=True)
signal.pause()
`;
const COUNTS = { processes: 0, sockets: 10, listening: 2, established: 8, timeWait: 1, queuedBytes: 6, notVisible: 10 };

/** Starts the program in a cgroup of its own. @returns the cgroup's folder */
async function startInUnit(where: "in flight" | "in descriptors"): Promise<string> {
  const folder = makeUnit();
  const line = 'echo $$ > "$0/cgroup.procs" && exec python3 -c "$1" "$2"';
  await start("sh", ["-c", line, folder, PROGRAM, where]).prints(/ready/);
  return folder;
}

/** Returns the cgroup of each socket by its addresses and ports. */
async function cgroupsBy(source: SourceName): Promise<Record<string, number>> {
  let cgroups: Record<string, number> = {};
  const read = await readTable({ source, withoutTimers: true }, () => {
    cgroups = {};
    return ({ family, localIp, localPort, remoteIp, remotePort, cgroupId }) => {
      const [local, remote] = [localIp, remoteIp].map((ip) => (family === 6 ? `[${ip}]` : ip));
      cgroups[`${local}:${localPort} ${remote}:${remotePort || "*"}`] = cgroupId;
    };
  });
  expect(read.source).toBe(source);
  return cgroups;
}

function cgroupsBySs(): Record<string, number> {
  const { stdout } = spawnSync("ss", ["-Htna", "--cgroup"], { encoding: "utf8" });
  const rows = stdout.trim().split("\n");
  return Object.fromEntries(
    rows.map((row) => {
      const [, , , local, remote, cgroup] = row.split(/\s+/);
      const path = cgroup?.replace(/^cgroup:/, "");
      return [`${local} ${remote}`, path ? statSync(`${unifiedRoot()}${path}`).ino : 0];
    }),
  );
}

describe.skipIf(!canMakeNamespaces() || !canMakeUnifiedGroups())("sockets without a visible process", () => {
  const hasBpf = canUseBpf();

  it.skipIf(!hasBpf)("have the same cgroups by BPF, sock_diag and ss", async () => {
    enterNamespace();
    const folder = await startInUnit("in flight");
    const listener = listenRaw("127.0.0.1", OWN_PORT);
    connectRaw("127.0.0.1", OWN_PORT);
    acceptMany(listener, 1);
    const bySs = cgroupsBySs();
    expect(await cgroupsBy("bpf")).toEqual(bySs);
    expect(await cgroupsBy("sock_diag")).toEqual(bySs);
    const { ino } = statSync(folder);
    const ids = Object.values(bySs);
    expect(ids.filter((id) => id === ino)).toHaveLength(COUNTS.sockets);
    expect(ids.filter((id) => id === 0)).toHaveLength(COUNTS.timeWait);
    expect(ids).toHaveLength(COUNTS.sockets + COUNTS.timeWait + 3);
  });

  it.for(["sock_diag", "bpf"] as const)("count for their cgroup, by %s", async (source, { skip }) => {
    skip(source === "bpf" && !hasBpf, "BPF is unavailable");
    enterNamespace();
    const group = basename(await startInUnit("in flight"));
    listenRaw("127.0.0.1", OWN_PORT);
    const { groups, owners, notVisible } = await countByOwner({ source });
    expect(groups).toContainEqual({ group, ...COUNTS });
    expect(owners).toMatchObject([{ pid: process.pid, sockets: 1 }]);
    expect(notVisible).toBe(COUNTS.notVisible);
  });

  it("belong to no cgroup without netlink", async () => {
    enterNamespace();
    const group = basename(await startInUnit("in flight"));
    const { groups, notVisible } = await countByOwner({ source: "/proc/net/tcp" });
    expect(groups.map((each) => each.group)).not.toContain(group);
    expect(notVisible).toBe(COUNTS.notVisible);
  });

  it.each([
    ["its name", "true", (folder: string) => basename(folder)],
    [
      "its ID if its directory is not visible",
      `mount -t tmpfs none ${unifiedRoot()}`,
      (folder: string) => `cgroup ${statSync(folder).ino}`,
    ],
  ])("of another PID namespace show %s", async (_, hide, nameOf) => {
    enterNamespace();
    const folder = await startInUnit("in descriptors");
    const group = nameOf(folder);
    const ports = (...args: string[]) =>
      start("unshare", [
        ...["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", `${hide} && exec "$0" "$@"`],
        ...[process.execPath, CLI_FILE, "ports", "--process", ...args],
      ]).exited();
    const { owners } = resultOf((await ports("--json")).stdout);
    expect(owners.groups).toEqual([{ group, ...COUNTS }]);
    const { stdout } = await ports();
    expect(stdout).toMatch(new RegExp(` ${group} +0 +10 +2 +8 +1 +6`));
    expect(stdout).toContain("10 sockets without a visible owner");
  });
});
