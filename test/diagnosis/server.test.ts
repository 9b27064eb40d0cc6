// Tests the inspection of a load's server on this host: the free descriptors of its processes, and whether its queues
// are served.
import { describe, expect, it } from "vitest";
import { predict } from "../../src/capacity/predict.js";
import { inspectServer, type Server, type Worker } from "../../src/capacity/server.js";
import type { Translation } from "../../src/linux/netlink/address-translation.js";
import { endpointsQuery } from "../../src/socket-table/endpoints.js";
import { parseIp } from "../../src/util/address.js";
import { ownAddress } from "../support/address.js";
import { clientLoad, hostFacts } from "../support/doctor.js";
import { startClient, startForeignServerProcess } from "../support/peers.js";
import { startCli } from "../support/process.js";
import { until } from "../support/until.js";

const worker = (pid: number, left: number, different: Partial<Worker> = {}): Worker => ({
  pid,
  name: "server",
  args: ["server"],
  isStopped: false,
  nofileLimit: left + 6,
  openDescriptors: 6,
  isProxy: false,
  ...different,
});
const server = (different: Partial<Server> = {}): Server => ({
  listeners: [{ ip: "127.0.0.1", port: 7777, uid: 0, acceptQueue: { used: 0, limit: 500 } }],
  process: undefined,
  held: 0,
  workers: [worker(1, 1_000_000)],
  queues: [{ room: 501, isStopped: false }],
  ...different,
});
const ask = (different: Partial<Server>, connections = 1000) => {
  const load = clientLoad({ connections, peer: server(different) });
  return predict({ facts: hostFacts({ canPark: true }), load, obstacle: undefined });
};
const OURS = { args: ["node", "dist/cli/main.js", "serve", "--max-connections", "100"] };

describe("the descriptors of a server", () => {
  it("are the server's limit, not this process's; connections in the queue of a server that stops accepting are mentioned", () => {
    const { binding, next, notes, limits } = ask({ workers: [worker(7, 594)] });
    expect(binding).toMatchObject({
      id: "peer-nofile",
      allows: 594,
      now: 600,
      nowText: "600 of server (process 7), 594 left",
    });
    expect(next.map(({ id }) => id)).not.toContain("nr-open");
    expect(limits.find(({ id }) => id === "nofile")!.verdict).toBe("ok");
    expect(notes).toEqual([expect.stringMatching(/up to 501 more in its accept queue/)]);
  });

  it("add up over workers that share a listener, provided that all of them fill up", () => {
    const workers = [worker(1, 294), worker(2, 294)];
    expect(ask({ workers }).binding).toMatchObject({ id: "peer-nofile", allows: 588 });
    expect(ask({ workers }, 290).unknown).toEqual([]);
    // Between the capacity of one worker and that of all: the kernel need not distribute connections evenly.
    expect(ask({ workers }, 400).unknown).toEqual(["peer-nofile"]);
  });

  it("are unknown if no process is visible, or its limit cannot be read", () => {
    expect(ask({ workers: [] }).unknown).toEqual(["peer-nofile"]);
    expect(ask({ workers: [worker(1, 5, { openDescriptors: undefined })] }).unknown).toEqual(["peer-nofile"]);
  });
});

describe("a proxy", () => {
  it("takes two descriptors per client, if it is recognized as one", () => {
    const { binding } = ask({ workers: [worker(7, 594, { isProxy: true })] });
    expect(binding).toMatchObject({ id: "peer-nofile", allows: 297, needs: 2006 });
    expect(binding!.nowText).toMatch(/a proxy/);
  });

  it("is mentioned as a possibility, if it would make a difference", () => {
    expect(ask({ workers: [worker(7, 1594)] }).notes.join()).toMatch(/two descriptors per client: .* holds 797/);
    expect(ask({ workers: [worker(7, 2594)] }).notes).toEqual([]);
    expect(ask({ workers: [worker(7, 1594, OURS)] }).notes).toEqual([]);
  });
});

describe("no listener", () => {
  const alone = { listeners: [], workers: [], queues: [] };
  const askWith = (translation: Translation) =>
    predict({
      facts: hostFacts({ canPark: true, translation }),
      load: clientLoad({ connections: 100, peer: server(alone) }),
      obstacle: undefined,
    });

  it("allows no connection if no addresses are translated", () => {
    expect(askWith("none")).toMatchObject({ ceiling: 0, isTargetMet: false, binding: { id: "listener" } });
  });

  it.each(["present", "unknown"] as const)("is unknown if rules may redirect the port: %s", (translation) => {
    const { unknown, notes, ceiling } = askWith(translation);
    expect(unknown).toContain("listener");
    expect(ceiling).toBeGreaterThan(100);
    expect(notes.join()).toMatch(/may redirect it to a server/);
  });
});

describe("connections that a server does not take", () => {
  it("its own limit, minus the connections it holds", () => {
    const { binding } = ask({ workers: [worker(1, 1e6, OURS)], held: 60 });
    expect(binding).toMatchObject({ id: "peer-maximum", allows: 40, needs: 1060 });
  });

  it("one of two listeners is stopped: how many reach it is unknown", () => {
    const queues = [
      { room: 101, isStopped: true },
      { room: 101, isStopped: false },
    ];
    expect(ask({ queues }, 80).unknown).toEqual([]);
    expect(ask({ queues }, 300).unknown).toEqual(["accept-queue"]);
    expect(ask({ queues: queues.map(({ room }) => ({ room, isStopped: true })) }, 300).ceiling).toBe(202);
  });

  it("somaxconn is not a limit if the queue is long enough", () => {
    const row = ({ limits }: ReturnType<typeof ask>) => limits.find(({ id }) => id === "somaxconn")!;
    const ofLoad = (limit: number) => {
      const listeners = [{ ip: "127.0.0.1", port: 7777, uid: 0, acceptQueue: { used: 0, limit } }];
      const load = clientLoad({ peer: server({ listeners }) });
      return row(predict({ facts: hostFacts({ somaxconn: 100 }), load, obstacle: undefined })).verdict;
    };
    expect([ofLoad(2000), ofLoad(100)]).toEqual(["ok", "low"]);
  });
});

describe("a real server", () => {
  it("is found with its process, its connections and its queue", async () => {
    const host = ownAddress();
    const { port, pid } = await startForeignServerProcess({ host }, { nofile: 600 });
    await startClient({ to: `${host}:${port}`, connections: 20 });
    const look = () => inspectServer(endpointsQuery([{ ip: parseIp(host), port }]));
    const found = await until("20 connections", look, ({ held }) => held === 20);
    expect(found.workers).toMatchObject([{ pid, nofileLimit: 600 }]);
    expect(found.queues).toMatchObject([{ isStopped: false }]);
  });

  it("is found without its processes if the search for them takes too long, and the prediction says so", async () => {
    const host = ownAddress();
    const { port } = await startForeignServerProcess({ host });
    const signal = AbortSignal.timeout(0);
    await until("the time is over", () => signal.aborted);
    const found = await inspectServer(endpointsQuery([{ ip: parseIp(host), port }]), signal);
    expect(found).toMatchObject({ wasCutShort: true, workers: [], process: undefined, listeners: [{ port }] });
    const { notes, unknown } = predict({
      facts: hostFacts({}),
      load: clientLoad({ peer: found }),
      obstacle: undefined,
    });
    expect(notes.join()).toContain("the search for the server's processes was cut short");
    expect(unknown).toContain("peer-nofile");
  });

  it("is stopped if every process that accepts there is", async () => {
    const host = ownAddress();
    const cli = startCli(["serve", `${host}:0`, "--log", "none", "--backlog", "300"]);
    const [, at] = await cli.prints(/^listening on (.*)$/m);
    const port = Number(at!.replace(/.*:/, ""));
    cli.child.kill("SIGSTOP");
    const look = () => inspectServer(endpointsQuery([{ ip: parseIp(host), port }]));
    const { queues } = await until("it is seen as stopped", look, (found) => found.queues[0]!.isStopped);
    expect(queues).toEqual([{ room: 301, isStopped: true }]);
    cli.child.kill("SIGCONT");
  });
});
