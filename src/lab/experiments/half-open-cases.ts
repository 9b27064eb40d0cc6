// Defines the cases of E7: how to create each case, what both socket tables should show, and how long the state
// should last.
import { setTimeout as delay } from "node:timers/promises";
import type { TcpState } from "../../results/sockets/socket-table.js";
import { formatCount, formatDuration } from "../../util/units.js";
import { type LabContext, PORT } from "../experiment.js";
import { type ClientLoad, gather, startServer } from "../observe/client-load.js";
import { LATEST } from "../observe/lifetime-verdict.js";
import { describeStates, NOTHING, takeSnapshot } from "../observe/socket-snapshot.js";
import type { StateLifetime } from "../observe/state-lifetime.js";
import type { Host } from "../testbed/host.js";

export const CONNECTIONS = 50;
/** Separate ports, so that sockets left by one case are not counted in another. */
export const PORTS = { orderly: PORT + 2, killed: PORT + 3, vanished: PORT + 4, asking: PORT + 5 } as const;
const POLL_MS = 50;
const DEADLINE_MS = 5000;
/** TCP_TIMEWAIT_LEN of the kernel (include/net/tcp.h); not configurable. */
const TIME_WAIT_MS = 60_000;
/** The server's tcp_fin_timeout in a quick run, in seconds. */
const QUICK_FIN_TIMEOUT = 3;
/** Number of retransmissions. With the default of 15, the case would take a quarter of an hour. */
const RETRIES = { quick: 2, full: 5 } as const;
/** TCP_RTO_MIN and TCP_RTO_MAX of the kernel. */
const RTO_MS = { least: 200, most: 120_000 } as const;
const MESSAGES_PER_SEC = 2;

/** Remaining sockets of a case, and how long they should last. */
export interface Remains {
  readonly what: string;
  readonly predicted: string;
  readonly server: string;
  readonly client: string;
  readonly verdict: "confirmed" | "refuted" | "inconclusive";
  /** What else explains the observation, if the verdict is inconclusive for a reason other than time. */
  readonly doubt?: string;
  readonly lifetime: readonly { readonly lifetime: StateLifetime; readonly why: string }[];
}

/** The client closes first, with a FIN, so its sockets end up in TIME_WAIT. */
export async function orderlyEnd(context: LabContext): Promise<Remains> {
  const { client: host, server: serverHost, description } = context.testbed;
  // Otherwise, a stray RST in reply to a late ACK could end a TIME_WAIT early (RFC 1337).
  if (description.kind === "namespaces") await host.setSysctl("net.ipv4.tcp_rfc1337", "1");
  const { server, clientLoad } = await meet(context, PORTS.orderly, ["--close", "fin"]);
  const first = Date.now();
  await clientLoad.end();
  const client = await reaches(host, PORTS.orderly, "TIME_WAIT");
  const beganMs = [first, Date.now()] as const;
  const onServer = await statesOf(serverHost, PORTS.orderly);
  await server.end();
  const kept = client.TIME_WAIT ?? 0;
  // Over loopback, the setting applies to the whole machine and is not changed, so a stray RST may explain missing
  // sockets.
  const isOpen = description.kind === "loopback" && kept < CONNECTIONS && describeStates(onServer) === NOTHING;
  return {
    what: "the client closes normally",
    predicted: `client ${CONNECTIONS} TIME_WAIT for ${TIME_WAIT_MS / 1000} s, server nothing`,
    server: describeStates(onServer),
    client: `${formatCount(kept)} TIME_WAIT`,
    verdict: isOpen
      ? "inconclusive"
      : judge(kept === CONNECTIONS && describeStates(onServer) === NOTHING, first, TIME_WAIT_MS),
    ...(isOpen && {
      doubt: `${formatCount(kept)} of ${CONNECTIONS} in TIME_WAIT: while net.ipv4.tcp_rfc1337 is 0, a reset in reply to a late segment ends the state early`,
    }),
    lifetime: [
      {
        lifetime: {
          ...{ host, port: PORTS.orderly, state: "TIME_WAIT", sockets: Math.max(1, kept), beganMs, countsDown: true },
          predictedMs: [TIME_WAIT_MS, TIME_WAIT_MS * LATEST],
        },
        why: "TCP_TIMEWAIT_LEN, a constant",
      },
    ],
  };
}

/** The server is killed while the client is stopped, so the FIN reaches the client's sockets but not the program. */
export async function killedServer(context: LabContext): Promise<{ remains: Remains; clientLoad: ClientLoad }> {
  const { client: clientHost, server: serverHost, description } = context.testbed;
  if (context.isQuick && description.kind === "namespaces") {
    await serverHost.setSysctl("net.ipv4.tcp_fin_timeout", `${QUICK_FIN_TIMEOUT}`);
  }
  const timeoutMs = 1000 * (await readNumber(serverHost, "net.ipv4.tcp_fin_timeout"));
  const { server, clientLoad } = await meet(context, PORTS.killed, []);
  await clientLoad.freeze();
  const first = Date.now();
  server.process.kill("SIGKILL");
  // Take the snapshots in parallel, because they are slow on a busy machine and FIN_WAIT2 does not last.
  const [client, onServer] = await Promise.all([
    reaches(clientHost, PORTS.killed, "CLOSE_WAIT"),
    reaches(serverHost, PORTS.killed, "FIN_WAIT2"),
  ]);
  const beganMs = [first, Date.now()] as const;
  const common = { port: PORTS.killed, sockets: CONNECTIONS, beganMs, countsDown: true };
  const remains: Remains = {
    what: "the server is killed while the client is stopped",
    predicted: `client ${CONNECTIONS} CLOSE_WAIT until it closes, server ${CONNECTIONS} FIN_WAIT2 for ${timeoutMs / 1000} s`,
    server: describeStates(onServer),
    client: describeStates({ CLOSE_WAIT: client.CLOSE_WAIT ?? 0 }),
    verdict: judge(client.CLOSE_WAIT === CONNECTIONS && onServer.FIN_WAIT2 === CONNECTIONS, first, timeoutMs),
    lifetime: [
      {
        lifetime: {
          ...common,
          host: serverHost,
          state: "FIN_WAIT2",
          predictedMs: [timeoutMs, timeoutMs * LATEST],
        },
        why: `net.ipv4.tcp_fin_timeout = ${timeoutMs / 1000}`,
      },
      {
        lifetime: { ...common, host: clientHost, state: "CLOSE_WAIT", predictedMs: undefined },
        why: "its program's close()",
      },
    ],
  };
  return { remains, clientLoad };
}

/**
 * Cuts the link while one client is idle and another is sending, then kills the far ends, so that their peers do not
 * notice.
 */
export async function cutWire(context: LabContext): Promise<Remains[]> {
  const { testbed, isQuick } = context;
  const usualRetries = await readNumber(testbed.client, "net.ipv4.tcp_retries2");
  const retries = isQuick ? RETRIES.quick : RETRIES.full;
  await testbed.client.setSysctl("net.ipv4.tcp_retries2", `${retries}`);
  const keepalive = await Promise.all(
    ["time", "probes", "intvl"].map((name) => readNumber(testbed.server, `net.ipv4.tcp_keepalive_${name}`)),
  );
  const keepaliveMs = 1000 * (keepalive[0]! + keepalive[1]! * keepalive[2]!);
  const [vanished, asking] = await Promise.all([
    meet(context, PORTS.vanished, []),
    meet(context, PORTS.asking, ["-m", "ping", "-r", `${MESSAGES_PER_SEC}`], ["--mode", "echo", "--log", "none"]),
  ]);
  const first = Date.now();
  await testbed.server.exec("ip", ["link", "set", testbed.server.device, "down"]);
  const beganMs = [first, Date.now()] as const;
  vanished.clientLoad.process.kill("SIGKILL");
  asking.server.process.kill("SIGKILL");
  await Promise.all([vanished.clientLoad.process.result, asking.server.process.result]);
  const [onServer, onClient] = await Promise.all([
    statesOf(testbed.server, PORTS.vanished),
    statesOf(testbed.client, PORTS.asking),
  ]);
  const leastMs = timeOutMs(retries);
  const common = { state: "ESTABLISHED", sockets: CONNECTIONS, beganMs, countsDown: false } as const;
  return [
    {
      what: "the link is cut and the client killed",
      predicted: `server ${CONNECTIONS} ESTABLISHED forever, since it sends nothing (with SO_KEEPALIVE: ${formatDuration(keepaliveMs)})`,
      server: describeStates(onServer),
      client: "gone",
      verdict: judge(onServer.ESTABLISHED === CONNECTIONS, first, Number.POSITIVE_INFINITY),
      lifetime: [
        {
          lifetime: { ...common, host: testbed.server, port: PORTS.vanished, predictedMs: undefined },
          why: "no timer (nothing is sent)",
        },
      ],
    },
    {
      what: "the link is cut and the server killed while the client sends",
      predicted: `client ${CONNECTIONS} ESTABLISHED until its retransmissions fail after ${formatDuration(leastMs)} (with the host's own tcp_retries2 of ${usualRetries}: ${formatDuration(timeOutMs(usualRetries))})`,
      server: "gone",
      client: describeStates(onClient),
      verdict: judge(onClient.ESTABLISHED === CONNECTIONS, first, leastMs),
      lifetime: [
        {
          lifetime: {
            ...{ ...common, host: testbed.client, port: PORTS.asking },
            // The state ends at the first retransmission after that time, and the intervals between retransmissions
            // double.
            predictedMs: [leastMs, 1000 / MESSAGES_PER_SEC + 2 * (leastMs + RTO_MS.least) * LATEST],
          },
          why: `net.ipv4.tcp_retries2 = ${retries}`,
        },
      ],
    },
  ];
}

/** Judges an observation of states that may end `lastsMs` after they began. Snapshots taken later prove nothing. */
function judge(isAsPredicted: boolean, beganMs: number, lastsMs: number): Remains["verdict"] {
  if (isAsPredicted) return "confirmed";
  return Date.now() - beganMs >= lastsMs ? "inconclusive" : "refuted";
}

/**
 * Returns the minimum time for which the kernel keeps a connection without acknowledgements.
 *
 * @param retries net.ipv4.tcp_retries2
 * @see Linux net/ipv4/tcp_timer.c, tcp_model_timeout()
 */
function timeOutMs(retries: number): number {
  const doublings = Math.floor(Math.log2(RTO_MS.most / RTO_MS.least));
  const doubled = (2 ** (Math.min(retries, doublings) + 1) - 1) * RTO_MS.least;
  return doubled + Math.max(0, retries - doublings) * RTO_MS.most;
}

async function readNumber(host: Host, sysctl: string): Promise<number> {
  return Number(await host.readSysctl(sysctl));
}

async function meet(context: LabContext, port: number, options: readonly string[], serve?: readonly string[]) {
  const { testbed } = context;
  const at = `${testbed.description.serverIp}:${port}`;
  const server = await startServer({ testbed }, at, serve);
  const clientLoad = await gather(context, [
    ...[at, "-c", String(CONNECTIONS), "--source-ip", testbed.client.ips[0]!],
    ...options,
  ]);
  return { server, clientLoad };
}

export async function statesOf(host: Host, port: number): Promise<Partial<Record<TcpState, number>>> {
  return (await takeSnapshot(host, port)).states;
}

/** Waits until all sockets are in a state. Returns the last states seen when the deadline has passed. */
async function reaches(host: Host, port: number, state: TcpState): Promise<Partial<Record<TcpState, number>>> {
  const deadlineMs = performance.now() + DEADLINE_MS;
  for (;;) {
    const states = await statesOf(host, port);
    if ((states[state] ?? 0) >= CONNECTIONS || performance.now() > deadlineMs) return states;
    await delay(POLL_MS);
  }
}
