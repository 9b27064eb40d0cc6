import { statSync } from "node:fs";
import { basename } from "node:path";
import { expect, it } from "vitest";
import { cgroupMounts, cgroupName, cgroupNames } from "../../src/linux/proc/cgroup-name.js";
import { canMakeUnifiedGroups, makeUnit } from "../support/cgroup.js";

const ID = "3f2a9c1b0d5e".padEnd(64, "a");
const UID = "0f1e2d3c-1111-2222-3333-444455556666";

it.each([
  ["0::/system.slice/nginx.service", "nginx.service"],
  ["0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-web.service", "app-web.service"],
  ["0::/user.slice/user-1000.slice/session-2.scope", "session-2.scope"],
  ["0::/system.slice/dev-disk\\x2dby.service", "dev-disk-by.service"],
  [`0::/system.slice/docker-${ID}.scope`, "docker 3f2a9c1b0d5e"],
  [`0::/docker/${ID}`, "docker 3f2a9c1b0d5e"],
  [`0::/machine.slice/libpod-${ID}.scope/container`, "podman 3f2a9c1b0d5e"],
  [`0::/kubepods/burstable/pod${UID}/${ID}`, "container 3f2a9c1b0d5e in pod 0f1e2d3c"],
  [
    `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${UID.replaceAll("-", "_")}.slice/cri-containerd-${ID}.scope`,
    "cri-containerd 3f2a9c1b0d5e in pod 0f1e2d3c",
  ],
  ["0::/lxc.payload.web/init.scope", "lxc web"],
  ["0::/machine.slice/machine-debian.scope", "machine debian"],
  ["0::/batch/jobs", "/batch/jobs"],
  ["0::/", undefined],
  [`3:memory:/docker/${ID}\n1:name=systemd:/\n0::/`, "docker 3f2a9c1b0d5e"],
  ["", undefined],
])("%s is %s", (membership, name) => {
  expect(cgroupName(membership)).toBe(name);
});

it("finds the mounts of cgroup2, the whole hierarchy first", () => {
  const mountinfo = `
24 1 0:21 / /sys rw,nosuid shared:2 - sysfs sysfs rw
30 24 0:27 / /sys/fs/cgroup/pids rw shared:9 - cgroup cgroup rw,pids
31 24 0:26 /web.slice /mnt/web\\040groups rw shared:4 master:1 - cgroup2 cgroup2 rw
32 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup rw,nsdelegate
`;
  expect(cgroupMounts(mountinfo)).toEqual([
    { point: "/sys/fs/cgroup", root: "" },
    { point: "/mnt/web groups", root: "/web.slice" },
  ]);
  expect(cgroupMounts("")).toEqual([]);
});

it.skipIf(!canMakeUnifiedGroups())("names cgroups, but not the root, and shows the ID of others", () => {
  const folder = makeUnit();
  const { ino } = statSync(folder);
  const missing = 2 ** 40 + 7;
  const names = [undefined, `cgroup ${missing}`, basename(folder)];
  expect(cgroupNames([1, missing, ino])).toEqual(names);
  expect(cgroupNames([1, missing, ino])).toEqual(names);
});
