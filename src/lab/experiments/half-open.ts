// E7: one side is gone. What the other side's table shows, and for how long.
import { setTimeout as delay } from "node:timers/promises";
import { formatCount } from "../../base/units.js";
import type { TcpState } from "../../ports/view.js";
import { commandOf, END_BY_HAND } from "../by-hand.js";
import { gather, startServer } from "../crowd.js";
import { type Experiment, type LabContext, PORT, pause } from "../experiment.js";
import type { Host } from "../host.js";
import { look } from "../sight.js";

const CONNECTIONS = 50;
/** A port for each case: what one leaves is not counted with the next. */
const PORTS = { orderly: PORT + 2, killed: PORT + 3, vanished: PORT + 4 } as const;
/** Over loopback the setting is the whole machine's, and some TIME_WAITs may end early. */
const MOST = 0.8;
const POLL_MS = 50;
const DEADLINE_MS = 5000;
const WATCH_MS = { quick: 3000, full: 20_000 } as const;
/** TCP_TIMEWAIT_LEN of the kernel (include/net/tcp.h): no setting changes it. */
const TIME_WAIT_SECONDS = 60;

interface Row {
  readonly what: string;
  readonly predicted: string;
  readonly server: string;
  readonly client: string;
  readonly isAsPredicted: boolean | undefined;
}

export const halfOpen: Experiment = {
  id: "E7",
  title: "One side is gone",
  claims: ["C4"],
  claim:
    "A peer that vanishes without a word stays ESTABLISHED on the other side and keeps its memory; an orderly end leaves TIME_WAIT with whoever closes first, a server that dies leaves CLOSE_WAIT with a client that does not notice.",
  async run(context) {
    const rows = [await orderlyEnd(context), await killedServer(context), await vanishedClient(context)];
    const judged = rows.filter(({ isAsPredicted }) => isAsPredicted !== undefined);
    const isConfirmed = judged.every(({ isAsPredicted }) => isAsPredicted);
    const isPartly = judged.length < rows.length;
    return {
      setup: `${CONNECTIONS} connections each time; both socket tables are read after one side is gone`,
      commands: commandsByHand(context),
      prediction: rows.map(({ what, predicted }) => `${what}: ${predicted}`).join("; "),
      observed: rows.map(({ what, server, client }) => `${what}: server ${server}, client ${client}`).join("; "),
      verdict: isConfirmed ? "confirmed" : "refuted",
      reason: isConfirmed
        ? isPartly
          ? "without the vanished client: over loopback there is no wire to cut"
          : undefined
        : "a table showed other states than predicted",
      evidence: [
        {
          kind: "table",
          title: "What each side's table shows",
          columns: ["what happened", "predicted", "server", "client"],
          rows: rows.map(({ what, predicted, server, client }) => [what, predicted, server, client]),
        },
      ],
    };
  },
};

/** The client closes first, with FIN: it has the TIME_WAITs. */
async function orderlyEnd(context: LabContext): Promise<Row> {
  const { client: host, description } = context.place;
  // Without it a stray RST, the answer to a late acknowledgement, ends a TIME_WAIT early (RFC 1337).
  if (description.kind === "namespaces") await host.setSysctl("net.ipv4.tcp_rfc1337", "1");
  const { server, crowd } = await meet(context, PORTS.orderly, ["--close", "fin"]);
  await crowd.end();
  const client = await reaches(context.place.client, PORTS.orderly, "TIME_WAIT");
  const onServer = await statesOf(context.place.server, PORTS.orderly);
  await server.end();
  const kept = client.TIME_WAIT ?? 0;
  return {
    what: "the client ends in order",
    predicted: `client: ${CONNECTIONS} TIME_WAIT, for ${TIME_WAIT_SECONDS} s; server: nothing`,
    server: describe(onServer),
    client: `${formatCount(kept)} TIME_WAIT`,
    isAsPredicted:
      kept >= CONNECTIONS * (description.kind === "namespaces" ? 1 : MOST) && (onServer.ESTABLISHED ?? 0) === 0,
  };
}

/** The server is killed while the client is stopped: its sockets hear of it, the program does not. */
async function killedServer(context: LabContext): Promise<Row> {
  const { server, crowd } = await meet(context, PORTS.killed, []);
  await crowd.freeze();
  server.process.kill("SIGKILL");
  const client = await reaches(context.place.client, PORTS.killed, "CLOSE_WAIT");
  const onServer = await statesOf(context.place.server, PORTS.killed);
  crowd.thaw();
  await crowd.end();
  return {
    what: "the server is killed, the client is asleep",
    predicted: `client: ${CONNECTIONS} CLOSE_WAIT until it closes; server: FIN_WAIT2`,
    server: describe(onServer),
    client: describe({ CLOSE_WAIT: client.CLOSE_WAIT ?? 0 }),
    isAsPredicted: client.CLOSE_WAIT === CONNECTIONS && onServer.FIN_WAIT2 === CONNECTIONS,
  };
}

/** The wire is cut, and the client killed behind it: the server hears nothing. */
async function vanishedClient(context: LabContext): Promise<Row> {
  const { place, isQuick } = context;
  const what = "the client's wire is cut, and it is killed";
  const predicted = `server: ${CONNECTIONS} ESTABLISHED, until something is sent or keepalive asks`;
  if (place.description.kind === "loopback") {
    return { what, predicted, server: "not possible here", client: "not possible here", isAsPredicted: undefined };
  }
  const { server, crowd } = await meet(context, PORTS.vanished, []);
  await place.client.exec("ip", ["link", "set", place.client.device, "down"]);
  crowd.process.kill("SIGKILL");
  await crowd.process.result;
  const watchMs = isQuick ? WATCH_MS.quick : WATCH_MS.full;
  await pause(context, watchMs);
  const onServer = await statesOf(place.server, PORTS.vanished);
  await place.client.exec("ip", ["link", "set", place.client.device, "up"]);
  await server.end();
  return {
    what,
    predicted,
    server: `${describe(onServer)} after ${watchMs / 1000} s`,
    client: "gone",
    isAsPredicted: onServer.ESTABLISHED === CONNECTIONS,
  };
}

function commandsByHand({ place }: LabContext): string[] {
  const { serverIp, kind } = place.description;
  const serve = (port: number) => commandOf(["serve", `${serverIp}:${port}`, "--log", "none"]);
  const connect = (port: number, ...options: string[]) =>
    commandOf([
      ...["connect", `${serverIp}:${port}`, "-c", `${CONNECTIONS}`, "--source-ip", place.client.ips[0]!],
      ...options,
    ]);
  const { orderly, killed, vanished } = PORTS;
  const meet = (port: number) => [
    `${serve(port)}; server_pid=$!`,
    `${connect(port, "-T", "5m")} & client_pid=$!`,
    `connected ${port} ${CONNECTIONS}`,
  ];
  const look = (port: number) => [`$server fourtuple ports :${port}`, `$client fourtuple ports ${serverIp}:${port}`];
  const cut = [
    ...meet(vanished),
    `$client ip link set ${place.client.device} down; kill -KILL $client_pid`,
    `$server fourtuple ports :${vanished}`,
    `$client ip link set ${place.client.device} up`,
  ];
  return [
    serve(orderly),
    connect(orderly, "--close", "fin"),
    ...look(orderly),
    ...meet(killed),
    "kill -STOP $client_pid; kill -KILL $server_pid",
    ...look(killed),
    "kill -CONT $client_pid",
    ...(kind === "namespaces" ? cut : []),
    END_BY_HAND,
  ];
}

async function meet(context: LabContext, port: number, options: readonly string[]) {
  const { place } = context;
  const at = `${place.description.serverIp}:${port}`;
  const server = await startServer({ place }, at);
  const crowd = await gather(context, [
    ...[at, "-c", String(CONNECTIONS), "--source-ip", place.client.ips[0]!],
    ...options,
  ]);
  return { server, crowd };
}

async function statesOf(host: Host, port: number): Promise<Partial<Record<TcpState, number>>> {
  return (await look(host, port)).states;
}

/** Waits until all of them are in a state, or the deadline has passed: then what there is. */
async function reaches(host: Host, port: number, state: TcpState): Promise<Partial<Record<TcpState, number>>> {
  const deadlineMs = performance.now() + DEADLINE_MS;
  for (;;) {
    const states = await statesOf(host, port);
    if ((states[state] ?? 0) >= CONNECTIONS || performance.now() > deadlineMs) return states;
    await delay(POLL_MS);
  }
}

function describe(states: Partial<Record<TcpState, number>>): string {
  const shown = Object.entries(states).filter(([state, count]) => state !== "LISTEN" && count > 0);
  return shown.length === 0 ? "nothing" : shown.map(([state, count]) => `${formatCount(count)} ${state}`).join(", ");
}
