// Runs fourtuple without kernel sockets in a network namespace, where its packets meet the kernel's TCP.
import { spawnSync } from "node:child_process";
import { expect } from "vitest";
import { enterNamespace, makeNamespace } from "./namespace.js";
import { resultOf, runCli, startCli } from "./process.js";

/** Addresses of the namespace. */
export const OWN = "10.99.0.1";
export const OWN_V6 = "fd00:99::1";
/** Options of a client whose addresses belong to nobody. */
export const FREE = ["--transport", "packet", "--source-ip", "10.64.0.0/16"];
/** An address that belongs to nobody, for a server. */
export const UNOWNED = "10.65.0.1";

/** Enters a namespace in which all of 10.99.0.0/16 is local, and which forwards packets. */
export function inNamespace(): void {
  enterNamespace();
  for (const address of [`${OWN}/16`, `${OWN_V6}/128`]) {
    const flags = address.includes(":") ? ["nodad"] : [];
    spawnSync("ip", ["addr", "add", address, "dev", "lo", ...flags]);
  }
  for (const family of ["ipv4.ip_forward", "ipv6.conf.all.forwarding"]) spawnSync("sysctl", ["-qw", `net.${family}=1`]);
}

/** Addresses of the namespace of behindLink(). */
export const FAR = "10.98.0.2";
export const FAR_V6 = "fd00:98::2";

/**
 * Enters a namespace, and joins another one to it.
 * @returns name of the other namespace
 */
export function behindLink(): string {
  inNamespace();
  const far = makeNamespace();
  const setUp = ["link", "add", "near", "type", "veth", "peer", "name", "far", "netns", far];
  const commands = [
    setUp,
    ["addr", "add", "10.98.0.1/24", "dev", "near"],
    ["addr", "add", "fd00:98::1/64", "dev", "near", "nodad"],
    ["link", "set", "near", "up"],
    ["-n", far, "addr", "add", `${FAR}/24`, "dev", "far"],
    ["-n", far, "addr", "add", `${FAR_V6}/64`, "dev", "far", "nodad"],
    ["-n", far, "link", "set", "far", "up"],
    ["-n", far, "route", "add", "default", "via", "10.98.0.1"],
    ["-n", far, "route", "add", "default", "via", "fd00:98::1"],
  ];
  for (const args of commands) expect([args, spawnSync("ip", args).status]).toEqual([args, 0]);
  return far;
}

/**
 * Like behindLink().
 * @param loses condition in nft's language: packets forwarded in either direction that meet it are lost
 */
export function lossyPath(loses: string): string {
  const far = behindLink();
  const rules = `table inet lossy { chain c { type filter hook forward priority 0; ${loses} drop; }; }`;
  expect(spawnSync("nft", [rules]).status).toBe(0);
  return far;
}

/** Starts a server. @returns its address, too */
export async function serve(args: readonly string[] = [], host = `${OWN}:0`) {
  const server = startCli(["serve", host, "--json", "--log", "none", ...args]);
  const { ip, port } = JSON.parse((await server.prints(/.+\n/))[0]);
  /** Stops the server. @returns its result */
  const stopped = async () => {
    const ended = server.exited();
    server.child.kill("SIGTERM");
    const { code, stdout } = await ended;
    expect(code).toBe(0);
    return resultOf(stdout);
  };
  return {
    server,
    ip: ip as string,
    port: port as number,
    at: ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`,
    stopped,
  };
}

/** Runs a client to its end. */
export async function connect(args: readonly string[]) {
  const { code, stdout, stderr } = await runCli(["connect", ...args, "--json"]);
  expect(stderr).toBe("");
  return { code, result: resultOf(stdout) };
}

/** Returns the names of the TUN devices that exist. */
export function devices(): string[] {
  const { stdout } = spawnSync("ip", ["-o", "link", "show", "type", "tun"], { encoding: "utf8" });
  return [...stdout.matchAll(/fourtuple\d+/g)].map(([name]) => name);
}
