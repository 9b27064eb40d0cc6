// Tests the BPF reader against ss, in separate network namespaces.
import { spawnSync } from "node:child_process";
import { readlinkSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { HashDump } from "../../src/linux/bpf/hash-dump.js";
import { DiagSocket } from "../../src/linux/netlink/diag-socket.js";
import { ALL_STATES, stateMask } from "../../src/socket-table/query.js";
import { socketTable } from "../../src/socket-table/summary.js";
import { readTable } from "../../src/socket-table/table.js";
import { canUseBpf } from "../support/bpf.js";
import { countDescriptors } from "../support/kernel.js";
import { ROOT } from "../support/library.js";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { start } from "../support/process.js";
import { acceptMany, connectRaw, listenRaw } from "../support/raw-sockets.js";

const PORT = 7777;
/** More readings find rarer faults: FOURTUPLE_BPF_READINGS=500. */
const READINGS = Number(process.env.FOURTUPLE_BPF_READINGS ?? 60);
const ESTABLISHED = stateMask(["ESTABLISHED"]);
const CHILD_ENTRIES = "/proc/sys/net/ipv4/tcp_child_ehash_entries";
const CHURN = fileURLToPath(new URL("../support/programs/churn-connections.mjs", import.meta.url));

/** Opens connections and holds both ends. */
function hold(connections: number, ip = "127.0.0.1"): void {
  const listener = listenRaw(ip, PORT, { backlog: 4096 });
  const isV6 = ip.includes(":");
  for (let i = 0; i < connections; i++) connectRaw(ip, PORT, isV6 ? undefined : { ip: `127.0.${i & 7}.1` });
  acceptMany(listener, connections);
}

function countSs(...filter: string[]): number {
  const { stdout } = spawnSync("ss", ["-Htan", ...filter], { encoding: "utf8" });
  return stdout.split("\n").length - 1;
}

/** Counts the sockets of each namespace, by its inode, and of all together. */
function countEverywhere(): { readonly all: number; readonly by: Map<number, number> } {
  const dump = new HashDump({ states: ALL_STATES, everyNamespace: true });
  const socket = new DiagSocket(dump.bytes);
  const by = new Map<number, number>();
  let all = 0;
  while (
    dump.next((offset, end) => {
      const { inode } = socket.move(offset, end);
      by.set(inode, (by.get(inode) ?? 0) + 1);
      all++;
    })
  );
  expect(dump.error).toBe(0);
  dump.close();
  return { all, by };
}

const ownInode = () => Number(/\d+/.exec(readlinkSync("/proc/thread-self/ns/net"))?.[0]);

describe.skipIf(!canMakeNamespaces() || !canUseBpf())("the socket table read with BPF", () => {
  it("is empty in a new namespace", async () => {
    enterNamespace();
    const table = await socketTable({ source: "bpf" });
    expect([table.source, table.sockets, table.wasInterrupted]).toEqual(["bpf", 0, false]);
  });

  it("has the sockets of this namespace only, or of all, each with its namespace", async () => {
    const expected = new Map<number, number>();
    for (const connections of [40, 30, 20]) {
      enterNamespace();
      hold(connections, connections === 30 ? "::1" : "127.0.0.1");
      const table = await socketTable({ source: "bpf", states: ["ESTABLISHED"] });
      expect([table.source, table.sockets]).toEqual(["bpf", 2 * connections]);
      expect(table.sockets).toBe(countSs("state", "established"));
      expected.set(ownInode(), 2 * connections);
    }
    const { by } = countEverywhere();
    for (const [inode, sockets] of expected) expect(by.get(inode)).toBe(sockets);
  });

  it("filters as ss does", async () => {
    enterNamespace();
    hold(50);
    const count = async (query: object) => (await socketTable({ source: "bpf", ...query })).sockets;
    const cases: [object, string[]][] = [
      [{}, []],
      [{ localPort: PORT }, ["sport", "=", `${PORT}`]],
      [{ remotePort: PORT }, ["dport", "=", `${PORT}`]],
      [{ port: PORT, states: ["ESTABLISHED"] }, ["state", "established"]],
      [{ localPort: "32768-60999" }, ["sport ge 32768 and sport le 60999"]],
      [{ remoteIp: "127.0.3.0/24" }, ["dst", "127.0.3.0/24"]],
      [{ family: 6 }, ["-6"]],
    ];
    for (const [query, filter] of cases) expect(await count(query), JSON.stringify(query)).toBe(countSs(...filter));
  });

  it("counts held sockets exactly while others come and go", async () => {
    enterNamespace();
    const held = 1500;
    hold(held);
    const churn = start(process.execPath, [CHURN, JSON.stringify({ dist: `${ROOT}dist`, port: 7778 })]);
    await churn.prints(/started/);
    const query = { states: ESTABLISHED, either: { ports: [{ first: PORT, last: PORT }] }, tuplesOnly: true };
    const seen = new Map<string, number>();
    const note = (outcome: string) => seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
    for (let i = 0; i < READINGS; i += 2) {
      // In groups, and one by one.
      const { sockets, byLocalPort, source } = await socketTable({
        port: PORT,
        states: ["ESTABLISHED"],
        source: "bpf",
      });
      note(`${sockets} sockets, ${byLocalPort.top[0]?.sockets} on one port, from ${source}`);
      let ends = new Set<string>();
      const read = await readTable({ ...query, source: "bpf" }, () => {
        ends = new Set();
        return ({ localIp, localPort, remoteIp, remotePort }) =>
          ends.add(`${localIp} ${localPort} ${remoteIp} ${remotePort}`);
      });
      note(`${read.sockets} sockets, ${ends.size} distinct, from ${read.source}`);
    }
    churn.kill("SIGKILL");
    await churn.exited();
    expect([...seen]).toEqual([
      [`${2 * held} sockets, ${held} on one port, from bpf`, READINGS / 2],
      [`${2 * held} sockets, ${2 * held} distinct, from bpf`, READINGS / 2],
    ]);
  });

  it("leaves no descriptor open", async () => {
    await socketTable({ source: "bpf", port: 1 });
    const before = countDescriptors();
    for (let i = 0; i < 5; i++) await socketTable({ source: "bpf", port: 1 });
    expect(countDescriptors()).toBe(before);
  });
});

describe.skipIf(!canMakeNamespaces() || !canUseBpf())("a hash table of its own size", () => {
  /** Enters a namespace whose table of connections has this many buckets. */
  function enterWithBuckets(buckets: number): void {
    enterNamespace();
    writeFileSync(CHILD_ENTRIES, `${buckets}`);
    enterNamespace();
  }

  it("is read completely, also with long chains", async () => {
    enterWithBuckets(64);
    hold(1000);
    const table = await socketTable({ source: "bpf", states: ["ESTABLISHED"] });
    expect([table.source, table.sockets]).toEqual(["bpf", 2000]);
    expect(countEverywhere().by.get(ownInode())).toBe(2000);
  });

  it("is left to sock_diag if a chain is too long for a short call", async () => {
    enterWithBuckets(1);
    hold(1500);
    const dump = new HashDump({ states: ESTABLISHED });
    let visited = 0;
    while (dump.next(() => visited++));
    dump.close();
    expect(dump.error).toBe(-7);
    await expect(socketTable({ source: "bpf" })).rejects.toMatchObject({ facts: { errno: "E2BIG" } });
  });
});

describe.skipIf(!canMakeNamespaces() || !canUseBpf())("privileges", () => {
  const CODE = `const { socketTable } = await import(${JSON.stringify(`${ROOT}dist/index.js`)});
const read = (source) => socketTable({ source }).then((table) => table.source, (error) => error.code + " " + error.facts.errno);
console.log(await read("bpf"), "|", await read(undefined));`;
  const NOBODY = ["--reuid=65534", "--regid=65534", "--clear-groups"];
  const run = async (...options: string[]) => {
    enterNamespace();
    const command = [...NOBODY, ...options, process.execPath, "--input-type=module", "-e", CODE];
    return (await start("setpriv", command).exited()).stdout.trim();
  };

  it("CAP_BPF and CAP_PERFMON are enough", async () => {
    const both = "+bpf,+perfmon";
    expect(await run(`--inh-caps=${both}`, `--ambient-caps=${both}`)).toBe("bpf | sock_diag");
  });

  it("without them, sock_diag remains", async () => {
    expect(await run()).toBe("E_PERMISSION EPERM | sock_diag");
  });
});
