// Tests the names of network namespaces in metrics.
import { expect, it } from "vitest";
import { netnsNames } from "../../../src/output/prometheus/namespaces.js";

const namespace = (inode: number, more: object = {}) => ({ inode, isOwn: false, names: [], ...more });

it("a namespace has the most telling name, and its own process's none", () => {
  const named = netnsNames([
    namespace(1, { isOwn: true, names: ["self"] }),
    namespace(2, { hostname: "web-1", names: ["cni-2"], group: "pod-2" }),
    namespace(3, { names: ["blue", "green"], group: "unit" }),
    namespace(4, { group: "docker.service" }),
    namespace(5),
  ]);
  expect(named).toEqual([undefined, "web-1", "blue", "docker.service", "net:[5]"]);
});

it("no two namespaces have the same name, and none that of the sums", () => {
  const named = netnsNames([
    namespace(1, { hostname: "web" }),
    namespace(2, { hostname: "web" }),
    namespace(3, { hostname: "other" }),
  ]);
  expect(named).toEqual(["web net:[1]", "web net:[2]", "other net:[3]"]);
});
