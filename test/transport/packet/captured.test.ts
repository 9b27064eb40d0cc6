// Tests the packets of `connect --transport packet` with other programs: dumpcap captures them beyond a lossy path, and
// tshark decodes them.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { canMakeNamespaces } from "../../support/namespace.js";
import { FAR, FAR_V6, FREE, lossyPath } from "../../support/packet-runs.js";
import { CLI_FILE, hasProgram, resultOf, start, startCli } from "../../support/process.js";
import { until } from "../../support/until.js";

const PROGRAMS = ["nft", "ethtool", "dumpcap", "tshark"];
/** Flags of TCP's header. */
const [FIN, SYN, RST, ACK] = [1, 2, 4, 16];

interface Captured {
  readonly version: string;
  readonly isOurs: boolean;
  readonly flags: number;
  readonly length: number;
  readonly isRepeated: boolean;
}

/** Decodes a capture, and asserts that tshark finds nothing malformed and no wrong checksum. */
function decode(file: string): Captured[] {
  const names = ["ip.version", "_ws.malformed", "ip.checksum.status", "tcp.checksum.status"];
  const more = [
    "tcp.dstport",
    "tcp.flags",
    "tcp.len",
    "tcp.analysis.retransmission",
    "tcp.analysis.fast_retransmission",
  ];
  const checks = ["tcp", "ip"].flatMap((protocol) => ["-o", `${protocol}.check_checksum:TRUE`]);
  const fields = [...names, ...more].flatMap((name) => ["-e", name]);
  // ICMP messages about a client that has ended quote segments.
  const args = ["-r", file, "-Y", "tcp && !icmp && !icmpv6", ...checks, "-T", "fields", "-E", "separator=,", ...fields];
  const { stdout } = spawnSync("tshark", args, { encoding: "utf8", maxBuffer: 2 ** 28 });
  return stdout
    .trim()
    .split("\n")
    .map((line) => {
      const [version, malformed, ip, tcp, port, flags, length, ...repeated] = line.split(",");
      // IPv6 has no checksum of its own.
      expect([line, malformed, ip, tcp]).toEqual([line, "", version === "4" ? "1" : "", "1"]);
      const isRepeated = repeated.some((mark) => mark !== "");
      return { version: version!, isOurs: port === "7777", flags: Number(flags), length: Number(length), isRepeated };
    });
}

/** Captures packets beyond a path, at an echo server. @returns the decoder of what has been captured, once it is needed */
async function captureAt(far: string): Promise<() => Promise<string>> {
  // Otherwise, a virtual link never computes the checksums of packets that stay on this host.
  spawnSync("ethtool", ["-K", "near", "tx", "off"]);
  spawnSync("ip", ["netns", "exec", far, "ethtool", "-K", "far", "tx", "off"]);
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-captured-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "packets.pcapng");
  const capture = start("ip", ["netns", "exec", far, "dumpcap", "-q", "-i", "far", "-w", file]);
  const serving = [process.execPath, CLI_FILE, "serve", "[::]:7777", "--mode", "echo", "--log", "none", "--json"];
  const server = start("ip", ["netns", "exec", far, ...serving]);
  await server.prints(/"listening"/);
  await until("dumpcap captures", () => capture.stderr.includes("File: "));
  return async () => {
    // dumpcap writes packets in order, but some time after they have arrived.
    spawnSync("bash", ["-c", `echo the last packet > /dev/udp/${FAR}/9`]);
    await until("dumpcap has written everything", () => readFileSync(file).includes("the last packet"));
    capture.child.kill("SIGINT");
    await capture.exited();
    return file;
  };
}

describe.skipIf(!canMakeNamespaces() || !PROGRAMS.every(hasProgram))("packets captured at the server", () => {
  it("are well-formed, with correct checksums: handshakes, data, retransmissions, FIN and RST", async () => {
    // Every twentieth packet is lost.
    const far = lossyPath("numgen inc mod 20 < 1");
    const captured = await captureAt(far);
    const messages = ["-c", "10", "-m", "x".repeat(4001), "-n", "50", "--connect-timeout", "1m", "--json"];
    const clients = [
      startCli(["connect", `${FAR}:7777`, ...FREE, ...messages, "--close", "fin"]),
      startCli([
        "connect",
        `[${FAR_V6}]:7777`,
        "--transport",
        "packet",
        "--source-ip",
        "fd00:64::/112",
        ...messages,
        "--close",
        "rst",
      ]),
    ];
    for (const client of clients) {
      const result = resultOf((await client.exited()).stdout);
      expect(result).toMatchObject({ outcome: "met", established: 10, messages: { answered: 50 } });
    }
    const packets = decode(await captured());
    for (const version of ["4", "6"]) {
      const ours = packets.filter((packet) => packet.version === version && packet.isOurs);
      const flags = new Set(ours.map((packet) => packet.flags & (FIN | SYN | RST | ACK)));
      expect([...flags]).toEqual(expect.arrayContaining([SYN, ACK, version === "4" ? FIN | ACK : RST | ACK]));
      expect(ours.filter(({ flags }) => flags === SYN).length).toBeGreaterThanOrEqual(9);
      expect(Math.max(...ours.map(({ length }) => length))).toBe(version === "4" ? 1460 : 1440);
      expect(ours.filter(({ isRepeated, length }) => isRepeated && length > 0).length).toBeGreaterThan(0);
    }
  });

  it("acknowledge data after 40 ms with --delayed-ack, unless a message carries the ACK", async () => {
    const captured = await captureAt(lossyPath("meta mark 77"));
    const messages = ["-c", "1", "-m", "hello", "-r", "2", "-n", "3", "--close", "rst", "--json"];
    const client = startCli(["connect", `${FAR}:7777`, ...FREE, ...messages, "--delayed-ack"]);
    expect(resultOf((await client.exited()).stdout)).toMatchObject({ outcome: "met", messages: { answered: 3 } });
    const filter = "tcp.dstport == 7777 && tcp.len == 0 && tcp.flags == 0x10 && tcp.seq > 1";
    const args = ["-r", await captured(), "-Y", filter, "-T", "fields", "-e", "tcp.analysis.ack_rtt"];
    const { stdout } = spawnSync("tshark", args, { encoding: "utf8" });
    const waits = stdout.trim().split("\n").map(Number);
    expect(waits.length).toBeGreaterThan(0);
    // The program's clock counts whole milliseconds.
    expect(Math.min(...waits)).toBeGreaterThan(0.038);
  });
});
