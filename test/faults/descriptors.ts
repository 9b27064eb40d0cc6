// Scenarios for limits on open files, epoll watches and memory, on the client's or the server's side.
import { ownAddress } from "../support/address.js";
import { makeMemoryGroup } from "../support/cgroup.js";
import { startForeignServerProcess, startServerProcess } from "../support/peers.js";
import { setSysctl } from "../support/sysctl.js";
import { type Scenario, startAt } from "./scenario.js";

export const DESCRIPTORS: readonly Scenario[] = [
  {
    name: "client's descriptors, one table per thread",
    engine: "epoll",
    limit: "nofile",
    whose: "local",
    isPredictable: true,
    async arrange() {
      const { ip, port } = await startServerProcess({});
      return {
        at: `${ip}:${port}`,
        load: ["-c", "20k"],
        testbed: { options: { nofile: 400, refused: ["io_uring_setup"] } },
      };
    },
  },
  {
    name: "client's descriptors, one table for all threads",
    engine: "epoll",
    limit: "nofile",
    whose: "local",
    isPredictable: true,
    async arrange() {
      const { ip, port } = await startServerProcess({});
      return {
        at: `${ip}:${port}`,
        load: ["-c", "5k"],
        testbed: { options: { nofile: 1024, refused: ["io_uring_setup", "unshare"] } },
      };
    },
  },
  {
    name: "server's descriptors (a Node server)",
    limit: "nofile",
    predicts: "peer-nofile",
    whose: "peer",
    isPredictable: true,
    async arrange() {
      const host = ownAddress();
      const { port } = await startForeignServerProcess({ host }, { nofile: 600 });
      return { at: `${host}:${port}`, load: ["-c", "1500"] };
    },
  },
  {
    name: "a user's epoll watches",
    engine: "epoll",
    limit: "epoll-watches",
    whose: "local",
    isPredictable: true,
    async arrange() {
      // Users without any other process, so that only this run's watches are counted. The limit applies to root as
      // well, so it is far above what root's own processes use.
      const asUser = (id: number) => ["setpriv", `--reuid=${id}`, `--regid=${id}`, "--clear-groups"];
      const ip = ownAddress();
      const server = startAt({ prefix: asUser(61_235) }, ["serve", `${ip}:0`, "--log", "none"]);
      const [, at] = await server.prints(/^listening on (.*)$/m);
      setSysctl("fs.epoll.max_user_watches", "40000");
      return { at: at!, load: ["-c", "50k"], testbed: { prefix: asUser(61_234) } };
    },
  },
  {
    name: "a cgroup's memory",
    limit: "cgroup-memory",
    whose: "local",
    isPredictable: true,
    async arrange() {
      const group = makeMemoryGroup(1280 * 1024 ** 2);
      const ip = ownAddress();
      const inGroup = ["bash", "-c", `echo $$ >${group}/cgroup.procs && exec "$0" "$@"`];
      const server = startAt({ prefix: inGroup }, ["serve", `${ip}:0`, "--log", "none"]);
      const [, at] = await server.prints(/^listening on (.*)$/m);
      return {
        at: at!,
        load: ["-c", "400k"],
        // The rate is low because the ramp continues until the next memory check. The hold is long enough for `ss` to
        // count the same number at least twice.
        run: ["--connect-rate", "10k", "-T", "6s"],
        measures: true,
        testbed: { prefix: inGroup },
      };
    },
  },
];
