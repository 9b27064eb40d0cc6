// Tests `fourtuple doctor` in a container that hides files or refuses system calls: unknown values are reported as
// unknown.
import { describe, expect, it } from "vitest";
import type { Prediction } from "../../../src/index.js";
import { canMakeNamespaces } from "../../support/namespace.js";
import { startServer } from "../../support/peers.js";
import { CLI_FILE, resultOf, runCli, start } from "../../support/process.js";

async function doctorWithout(hide: string, ...args: string[]): Promise<Prediction> {
  const hidden = start("unshare", [
    ...["-m", "sh", "-c", `${hide} && exec "$0" "$@"`],
    ...[process.execPath, CLI_FILE, "doctor", "-c", "1k", "--no-measure", "--json", ...args],
  ]);
  const { stdout, stderr } = await hidden.exited(20_000);
  expect(stderr).toBe("");
  return resultOf(stdout);
}

describe.skipIf(!canMakeNamespaces())("unreadable files", () => {
  const KERNEL = ["--source-port", "kernel", "--source-ip", "127.0.0.2"];
  it.each([
    ["the port range", "mount -t tmpfs none /proc/sys/net", KERNEL, ["ip-local-port-range", "ip-local-reserved-ports"]],
    ["memory", "mount --bind /dev/null /proc/meminfo", [], ["memory"]],
    ["memory, for other hardware", "mount --bind /dev/null /proc/meminfo", ["--memory", "4GiB"], ["epoll-watches"]],
    ["cgroups", "mount -t tmpfs none /sys/fs/cgroup", [], ["cgroup-memory"]],
  ])("%s", async (_, hide, args, ids) => {
    const prediction = await doctorWithout(hide, ...args);
    expect(prediction.unknown).toEqual(expect.arrayContaining(ids));
    for (const id of ids) {
      const row = prediction.limits.find((limit) => limit.id === id);
      expect(row).toMatchObject({ nowText: "unknown", allows: "unknown", verdict: "unknown" });
    }
  });

  it("if every limit on a load is unreadable, there is no ceiling and no verdict", async () => {
    const hide =
      "mount --bind /dev/null /proc/meminfo && mount -t tmpfs none /proc/sys/fs && mount -t tmpfs none /sys/fs/cgroup";
    const prediction = await doctorWithout(hide, "--role", "server", "--for", "fourtuple");
    expect(prediction).toMatchObject({ ceiling: "unlimited", isTargetMet: true });
    expect(prediction.unknown).toEqual(expect.arrayContaining(["memory", "cgroup-memory", "epoll-watches"]));
  });
});

describe("refused netlink", () => {
  const refused = ["netlink"] as const;

  it("does not prevent a prediction", async () => {
    const { code, stderr } = await runCli(["doctor", "-c", "1k", "--no-measure"], { refused });
    expect([code, stderr]).toEqual([0, ""]);
  });

  it("does not prevent a connection to a destination known to be local", async () => {
    const { address } = await startServer();
    const { code, stdout } = await runCli(
      ["connect", `${address.ip}:${address.port}`, "-c", "20", "-T", "0", "--json"],
      {
        refused,
      },
    );
    expect([code, resultOf(stdout).established]).toEqual([0, 20]);
  });

  it("leaves a client's addresses unknown, and a note says so", async () => {
    const { code, stderr } = await runCli(["doctor", "--role", "client", "--no-measure"], { refused });
    expect(code).toBe(1);
    expect(stderr).toMatch(/addresses cannot be read[\s\S]*--source-ip/);
  });
});
