// Tests the Debian package that `npm run package` builds; FOURTUPLE_DEB names it.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";

const DEB = process.env.FOURTUPLE_DEB;
if (!DEB) console.log("skipped: FOURTUPLE_DEB does not name the Debian package that npm run package builds");

/** lintian disassembles the executable, which takes half a minute, or minutes on a busy machine. */
const LINTIAN_DEADLINE_MS = 600_000;

const isMissing = (program: string) => spawnSync("which", [program]).status !== 0;

describe.skipIf(!DEB)("the Debian package", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "fourtuple-deb-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
  });

  it.skipIf(isMissing("lintian"))(
    "is accepted by lintian",
    () => {
      expect(output("lintian", DEB!).match(/^E:.*$/gm)).toBeNull();
    },
    LINTIAN_DEADLINE_MS,
  );

  it.skipIf(isMissing("systemd-analyze"))("has a valid unit for the exporter", () => {
    output("dpkg-deb", "--extract", DEB!, folder);
    const unit = readFileSync(join(folder, "usr/lib/systemd/system/fourtuple-exporter.service"), "utf8");
    expect(unit).toContain("ExecStart=/usr/bin/fourtuple exporter");
    writeFileSync(join(folder, "x.service"), unit.replace("/usr/bin/fourtuple", join(folder, "usr/bin/fourtuple")));
    expect(output("systemd-analyze", "verify", join(folder, "x.service"))).toBe("");
  });

  it.skipIf(isMissing("dpkg") || process.getuid?.() !== 0)("installs, upgrades and leaves nothing behind", () => {
    const root = join(folder, "root");
    mkdirSync(join(root, "var/lib/dpkg/updates"), { recursive: true });
    writeFileSync(join(root, "var/lib/dpkg/status"), "");
    // Its dependencies are not there, and its scripts find no systemd.
    const options = [`--root=${root}`, "--force-depends", "--force-script-chrootless", `--log=${folder}/log`];
    const dpkg = (...args: string[]) => output("dpkg", ...options, ...args);
    output("dpkg-deb", "--raw-extract", DEB!, join(folder, "raw"));
    const control = join(folder, "raw/DEBIAN/control");
    writeFileSync(control, readFileSync(control, "utf8").replace(/^Version: .*$/m, "Version: 999"));
    output("dpkg-deb", "-Znone", "--build", join(folder, "raw"), join(folder, "new.deb"));

    dpkg("--install", DEB!);
    expect(readdirSync(join(root, "usr/bin"))).toEqual(["fourtuple"]);
    dpkg("--install", join(folder, "new.deb"));
    expect(dpkg("--status", "fourtuple")).toMatch(/Version: 999/);
    expect(dpkg("--verify", "fourtuple")).toBe("");
    dpkg("--remove", "fourtuple");
    expect(readdirSync(root)).toEqual(["var"]);
    dpkg("--install", DEB!);
    dpkg("--purge", "fourtuple");
    expect(readdirSync(root)).toEqual(["var"]);
    expect(readdirSync(join(root, "var/lib/dpkg/info")).filter((name) => name !== "format")).toEqual([]);
  });
});

/** Returns what a program prints; it has to succeed. */
function output(command: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8", maxBuffer: 1e8 });
  expect({ command, status, stderr: status === 0 ? "" : stderr }).toEqual({ command, status: 0, stderr: "" });
  return `${stdout}${command === "systemd-analyze" ? stderr : ""}`;
}
