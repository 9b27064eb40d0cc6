// Shell commands to reproduce E7 by hand: they leave the same sockets behind and list them.
import { commandOf, END_BY_HAND } from "../reproduce.js";
import type { HostPair } from "../testbed/host.js";

interface Ports {
  readonly orderly: number;
  readonly killed: number;
  readonly vanished: number;
  readonly asking: number;
}

/** Returns the commands for both hosts. The link can be cut only between namespaces. */
export function reproduceHalfOpen(
  { description, server, client }: HostPair,
  connections: number,
  ports: Ports,
): string[] {
  const { serverIp, kind } = description;
  const serve = (port: number, ...options: string[]) =>
    commandOf(["serve", `${serverIp}:${port}`, ...options, "--log", "none"]);
  const connect = (port: number, ...options: string[]) =>
    commandOf(["connect", `${serverIp}:${port}`, "-c", `${connections}`, "--source-ip", client.ips[0]!, ...options]);
  const inspect = (port: number) => [`$server fourtuple ports :${port}`, `$client fourtuple ports ${serverIp}:${port}`];
  const timers = (host: string, port: number) => `${host} ss -tno "sport = :${port} or dport = :${port}" | head -3`;
  const ending = (host: string, port: number) => `${host} ss -Htn state fin-wait-1 state fin-wait-2 "dport = :${port}"`;
  const cut = [
    serve(ports.vanished),
    `${connect(ports.vanished, "-T", "5m")} & client_pid=$!`,
    `${serve(ports.asking, "--mode", "echo")}; server_pid=$!`,
    `${connect(ports.asking, "-m", "ping", "-r", "2", "-T", "5m")} &`,
    `connected ${ports.vanished} ${connections}; connected ${ports.asking} ${connections}`,
    `$server ip link set ${server.device} down; kill -KILL $client_pid $server_pid`,
    timers("$server", ports.vanished),
    // Wait until the client retransmits: its retransmission timer is visible from then on.
    `until ${timers("$client", ports.asking)} | grep "timer:(on"; do sleep 0.1; done`,
    `$server ip link set ${server.device} up`,
  ];
  return [
    // As in the lab, keep stray RSTs from ending TIME_WAIT early.
    ...(kind === "namespaces" ? ["$client sysctl -w net.ipv4.tcp_rfc1337=1"] : []),
    serve(ports.orderly),
    connect(ports.orderly, "--close", "fin"),
    // Wait for the last packets from the server, which may be slow to notice the end.
    `while ${ending("$client", ports.orderly)} | grep -q .; do sleep 0.1; done`,
    ...inspect(ports.orderly),
    timers("$client", ports.orderly),
    `${serve(ports.killed)}; server_pid=$!`,
    `${connect(ports.killed, "-T", "5m")} & client_pid=$!`,
    `connected ${ports.killed} ${connections}`,
    // Wait, because a thread of the client may still be running; and wait for the server, whose sockets live as long as
    // it does.
    'kill -STOP $client_pid; until grep -q "^State:.T" /proc/$client_pid/status; do sleep 0.1; done',
    "kill -KILL $server_pid; wait $server_pid",
    ...inspect(ports.killed),
    timers("$server", ports.killed),
    "kill -CONT $client_pid",
    ...(kind === "namespaces" ? cut : []),
    END_BY_HAND,
  ];
}
