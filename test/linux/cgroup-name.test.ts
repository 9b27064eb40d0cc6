// Tests naming cgroups, as hosts with either version or both show them.
import { statSync } from "node:fs";
import { basename } from "node:path";
import { describe, expect, it } from "vitest";
import { cgroupMounts, cgroupName, cgroupNames } from "../../src/linux/proc/cgroup-name.js";
import { canMakeUnifiedGroups, makeUnit } from "../support/cgroup.js";

const ID = "3f2a9c1b0d5e".padEnd(64, "a");
const OUTER = "e".repeat(64);
const UID = "0f1e2d3c-1111-2222-3333-444455556666";
/** As kubelet writes it for systemd. */
const UID_ = UID.replaceAll("-", "_");

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
    `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${UID_}.slice/cri-containerd-${ID}.scope`,
    "cri-containerd 3f2a9c1b0d5e in pod 0f1e2d3c",
  ],
  ["0::/lxc.payload.web/init.scope", "lxc web"],
  ["0::/machine.slice/machine-debian.scope", "machine debian"],
  ["0::/batch/jobs", "/batch/jobs"],
  ["0::/", undefined],
  ["", undefined],
])("%s is %s", (membership, name) => {
  expect(cgroupName(membership)).toBe(name);
});

describe("of v2 alone", () => {
  it.each([
    ["0::/\n", undefined],
    ["0::/../system.slice/sshd.service\n", "sshd.service"],
    [`0::/../cri-containerd-${ID}.scope\n`, "cri-containerd 3f2a9c1b0d5e"],
    [`0::/system.slice/web.service/libpod-payload-${ID}\n`, "podman 3f2a9c1b0d5e"],
    [`0::/docker/${OUTER}/system.slice/nginx.service\n`, "docker eeeeeeeeeeee"],
    [`0::/system.slice/docker-${OUTER}.scope/docker/${ID}\n`, "docker 3f2a9c1b0d5e"],
    [
      `0::/docker/${OUTER}/kubelet.slice/kubelet-kubepods-pod${UID_}.slice/cri-containerd-${ID}.scope\n`,
      "cri-containerd 3f2a9c1b0d5e in pod 0f1e2d3c",
    ],
    [`0::/docker/${OUTER}/kubelet/kubepods/pod${UID}\n`, "pod 0f1e2d3c"],
    [`0::/kubepods/pod${UID}/${OUTER}/docker/${ID}\n`, "docker 3f2a9c1b0d5e in pod 0f1e2d3c"],
    ["0::/lxc/101/ns/system.slice/nginx.service\n", "lxc 101"],
  ])("%j is %s", (membership, name) => {
    expect(cgroupName(membership)).toBe(name);
  });
});

describe("of v1 alone", () => {
  /** What processes are in, by systemd and by controller. */
  const v1 = (path: string, memory = path) =>
    `11:cpuset:/\n4:cpu,cpuacct:${memory}\n3:memory:${memory}\n1:name=systemd:${path}\n`;

  it.each([
    ["a service", v1("/system.slice/nginx.service"), "nginx.service"],
    [
      "a session whose controllers are not delegated",
      v1("/user.slice/user-0.slice/session-1.scope", "/user.slice"),
      "session-1.scope",
    ],
    ["docker", v1(`/docker/${ID}`), "docker 3f2a9c1b0d5e"],
    [
      "docker, where only a controller has the container",
      v1("/system.slice/docker.service", `/docker/${ID}`),
      "docker 3f2a9c1b0d5e",
    ],
    ["kubelet with cgroupfs", v1(`/kubepods/besteffort/pod${UID}/${ID}`), "container 3f2a9c1b0d5e in pod 0f1e2d3c"],
    [
      "kubelet with systemd, containerd with cgroupfs",
      v1(`/system.slice/containerd.service/kubepods-burstable-pod${UID_}.slice:cri-containerd:${ID}`),
      "cri-containerd 3f2a9c1b0d5e in pod 0f1e2d3c",
    ],
    ["LXC 3.0", v1("/lxc/web/system.slice/nginx.service"), "lxc web"],
    ["LXC 3.1", v1("/lxc.payload/web"), "lxc web"],
    [
      "a virtual machine",
      v1("/machine.slice/machine-qemu\\x2d1\\x2dweb.scope", "/machine.slice"),
      "machine qemu-1-web",
    ],
    ["a host without systemd", "3:memory:/\n2:cpu:/batch/jobs\n1:name=openrc:/sshd\n", "/sshd"],
    ["no groups", v1("/"), undefined],
  ])("%s", (_, membership, name) => {
    expect(cgroupName(membership)).toBe(name);
  });
});

describe("of v2 beside v1", () => {
  it.each([
    [
      "a service",
      "3:memory:/system.slice/nginx.service\n1:name=systemd:/system.slice/nginx.service\n0::/system.slice/nginx.service\n",
      "nginx.service",
    ],
    [
      "a container made in v1 only",
      `3:memory:/docker/${ID}\n1:name=systemd:/docker/${ID}\n0::/system.slice/containerd.service\n`,
      "docker 3f2a9c1b0d5e",
    ],
    [
      "a container with a controller of its own",
      `3:memory:/docker/${ID}\n1:name=systemd:/\n0::/\n`,
      "docker 3f2a9c1b0d5e",
    ],
    ["a unit in v1 only", "1:name=systemd:/system.slice/nginx.service\n0::/batch/jobs\n", "nginx.service"],
    ["no groups in v2", "3:memory:/system.slice/nginx.service\n1:name=systemd:/\n0::/\n", "nginx.service"],
  ])("%s", (_, membership, name) => {
    expect(cgroupName(membership)).toBe(name);
  });
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
