// Compares PortUsers with a Map, for many sources and ports, including the ends of blocks.
import { expect, it } from "vitest";
import { PortUsers, SHARED } from "../../../src/socket-table/ports/port-users.js";

it("keeps the only user of each port, and knows those with several", () => {
  const users = new PortUsers();
  const expected = new Map<string, number>();
  for (let n = 0; n < 20_000; n++) {
    const source = (n * 7) % 11;
    const port = [0, 31, 32, 65_535, (n * 40_503) % 65_536][n % 5]!;
    const user = n % 3;
    users.add(source, port, user);
    const key = `${source} ${port}`;
    expected.set(key, expected.has(key) ? SHARED : user);
  }
  const found = new Map<string, number>();
  users.forEach((source, port, user) => {
    found.set(`${source} ${port}`, user);
  });
  expect(found).toEqual(expected);
  expect([users.has(3, 31), users.has(3, 30), users.has(11, 31)]).toEqual([true, expected.has("3 30"), false]);
});
