import { expect, it } from "vitest";
import { cgroupName } from "../../src/linux/proc/cgroup-name.js";

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
