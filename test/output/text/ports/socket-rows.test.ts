// Tests rows in the format of `ss`, built without strings, against rows built with strings.
import fc from "fast-check";
import { expect, it } from "vitest";
import { SocketRows } from "../../../../src/output/text/ports/socket-rows.js";
import type { SocketView } from "../../../../src/socket-table/view.js";

type Row = Pick<
  SocketView,
  "localIpv4" | "remoteIpv4" | "localIp" | "remoteIp" | "localPort" | "remotePort" | "receiveQueue" | "sendQueue"
> & { readonly inode: number; readonly chargedBytes: number; readonly state: number; readonly stateName: string };

const port = fc.nat(65_535);
const queue = fc.nat(2 ** 31 - 1);
const ends = fc.oneof(
  fc.record({
    localIpv4: fc.nat(0xffffffff),
    remoteIpv4: fc.nat(0xffffffff),
    localIp: fc.constant(""),
    remoteIp: fc.constant(""),
  }),
  fc.record({ localIpv4: fc.constant(-1), remoteIpv4: fc.constant(-1), localIp: fc.ipV6(), remoteIp: fc.ipV6() }),
);
const anyRow: fc.Arbitrary<Row> = fc
  .record({ ends, localPort: port, remotePort: port, receiveQueue: queue, sendQueue: queue, chargedBytes: queue })
  .map(({ ends: both, ...row }) => ({ ...both, ...row, inode: 7, state: 1, stateName: "ESTABLISHED" }));

function render(rows: readonly Row[], columns: ConstructorParameters<typeof SocketRows>[1] = {}): string {
  let text = "";
  const output = new SocketRows((piece) => {
    text += piece.toString("latin1");
  }, columns);
  for (const row of rows) output.add(row as unknown as SocketView);
  output.flush();
  return text;
}

const dotted = (ipv4: number) => [24, 16, 8, 0].map((shift) => (ipv4 >>> shift) & 255).join(".");
const endpoint = (ipv4: number, ip: string, number: number) => `${ipv4 < 0 ? `[${ip}]` : dotted(ipv4)}:${number}`;

it("writes every figure as string formatting would", () => {
  fc.assert(
    fc.property(fc.array(anyRow, { maxLength: 50 }), (rows) => {
      const words = render(rows, { memory: true, ownerOf: (inode) => `node ${inode}` })
        .split("\n")
        .slice(0, -1)
        .map((line) => line.split(/ +/));
      const expected = rows.map((row) => [
        "ESTABLISHED",
        `${row.receiveQueue}`,
        `${row.sendQueue}`,
        endpoint(row.localIpv4, row.localIp, row.localPort),
        endpoint(row.remoteIpv4, row.remoteIp, row.remotePort),
        `${row.chargedBytes}`,
        "node",
        "7",
      ]);
      expect(words).toEqual(expected);
    }),
  );
});

it("passes on whole rows in chunks, for any number of rows", () => {
  const row = {
    localIpv4: 2_130_706_433,
    remoteIpv4: 2_130_706_434,
    localIp: "",
    remoteIp: "",
    localPort: 7777,
  } as Row;
  const one = { ...row, remotePort: 40_001, receiveQueue: 0, sendQueue: 0, state: 1, stateName: "ESTABLISHED" };
  const text = render(Array.from({ length: 20_000 }, () => one));
  expect(text).toBe("ESTABLISHED 0       0       127.0.0.1:7777          127.0.0.2:40001\n".repeat(20_000));
});

it("prints a listener's peer as ss does, and no character that a terminal interprets", () => {
  const listener = { localIpv4: 0, remoteIpv4: 0, localIp: "", remoteIp: "", localPort: 22, remotePort: 0 } as Row;
  const row = { ...listener, receiveQueue: 0, sendQueue: 128, state: 10, stateName: "LISTEN", inode: 1 };
  const text = render([row], { ownerOf: () => "evil\u001b[2J\n" });
  expect(text).toBe("LISTEN      0       128     0.0.0.0:22              0.0.0.0:*               evil?[2J?\n");
});

it("leaves values missing from /proc empty", () => {
  const listener = { localIpv4: 0, remoteIpv4: 0, localIp: "", remoteIp: "", localPort: 22, remotePort: 0 } as Row;
  const row = { ...listener, receiveQueue: 3, sendQueue: 0, state: 10, stateName: "LISTEN", inode: 1, chargedBytes: 0 };
  const words = (rows: readonly Row[]) => render(rows, { memory: true, isFromProc: true }).trim().split(/ +/);
  expect(words([row])).toEqual(["LISTEN", "3", "-", "0.0.0.0:22", "0.0.0.0:*", "-"]);
  expect(words([{ ...row, sendQueue: 7, state: 1, stateName: "ESTABLISHED" }]).slice(1, 3)).toEqual(["3", "7"]);
});
