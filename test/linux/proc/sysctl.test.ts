// Tests kernel settings: an existing one is read in full; a missing or forbidden one is an errno, never a guess.
import { describe, expect, it } from "vitest";
import { probeSysctl, readSysctl, readSysctlNumbers, writeSysctl } from "../../../src/linux/proc/sysctl.js";
import { EACCES, ENOENT } from "../../../src/linux/syscalls/errno.js";
import { ROOT } from "../../support/library.js";
import { canMakeNamespaces, makeNamespace } from "../../support/namespace.js";
import { start } from "../../support/process.js";

describe("on this system", () => {
  it("reads settings as text and as numbers", () => {
    expect(readSysctl("kernel.ostype")).toBe("Linux");
    const range = readSysctlNumbers("net.ipv4.ip_local_port_range")!;
    expect(range).toHaveLength(2);
    expect(range[0]! > 0 && range[0]! < range[1]! && range[1]! <= 65535).toBe(true);
    expect(readSysctlNumbers("net.ipv4.tcp_mem")).toHaveLength(3);
    expect(readSysctlNumbers("net.core.somaxconn")![0]).toBeGreaterThan(0);
  });

  it("returns undefined for missing values", () => {
    expect(readSysctl("net.no.such.setting")).toBeUndefined();
    expect(readSysctlNumbers("net.no.such.setting")).toBeUndefined();
    expect(probeSysctl("net.no.such.setting")).toBe(-ENOENT);
    expect(writeSysctl("net.no.such.setting", "1")).toBe(-ENOENT);
  });

  it("is not writable where nobody may write", () => {
    expect(probeSysctl("kernel.ostype")).toBe(-EACCES);
    expect(writeSysctl("kernel.ostype", "Linux")).toBe(-EACCES);
  });
});

describe.runIf(canMakeNamespaces())("in a namespace", () => {
  it("a list of reserved ports longer than a page is written and read in full", async () => {
    const ports = Array.from({ length: 5000 }, (_, i) => 20_001 + 2 * i).join(",");
    const program = `import { readSysctl, writeSysctl } from "${ROOT}dist/linux/proc/sysctl.js";
      const name = "net.ipv4.ip_local_reserved_ports";
      console.log(writeSysctl(name, "${ports}"), readSysctl(name) === "${ports}", writeSysctl(name, ""), readSysctl(name) === "");`;
    const args = ["netns", "exec", makeNamespace(), process.execPath, "--input-type=module", "--eval", program];
    expect((await start("ip", args).exited()).stdout).toBe("0 true 0 true\n");
  });
});
