// How high a run came, and the heights at which runs get stuck so often that the number alone makes one suspect a limit.
import type { ConnectResult } from "../../connect/result.js";

const PLATEAUS: readonly { from: number; to: number; suspect: string }[] = [
  { from: 1000, to: 1024, suspect: "the usual soft limit of open files is 1,024, at either end" },
  {
    from: 14_000,
    to: 14_200,
    suspect: "half of the default port range: the kernel's search takes odd and even ports in turn",
  },
  { from: 28_100, to: 28_232, suspect: "the default ip_local_port_range has 28,232 ports" },
  { from: 32_200, to: 32_256, suspect: "half of the ports from 1024 on" },
  { from: 64_400, to: 65_535, suspect: "one source address has some 64,500 ports towards one destination" },
  { from: 65_536, to: 65_600, suspect: "conntrack's maximum is often 65,536" },
  { from: 262_000, to: 262_144, suspect: "conntrack's maximum is often 262,144" },
  { from: 524_000, to: 524_288, suspect: "systemd's usual hard limit of open files is 524,288" },
  { from: 1_048_000, to: 1_048_576, suspect: "fs.nr_open is 1,048,576 by default" },
];

/** What the height of a plateau makes one suspect; undefined for other heights. */
export function plateauAt(connections: number): string | undefined {
  return PLATEAUS.find(({ from, to }) => connections >= from && connections <= to)?.suspect;
}

/** The kernel's count while they were held; our own where it was not asked. */
export function reachedBy({ kernel, peakOpen, lost }: ConnectResult): number {
  return kernel && kernel.outgoing > 0 ? kernel.outgoing : Math.max(0, peakOpen - lost);
}
