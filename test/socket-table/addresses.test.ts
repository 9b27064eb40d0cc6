import fc from "fast-check";
import { expect, it } from "vitest";
import { DIAG_FIELD } from "../../src/linux/netlink/diag-message.js";
import { DiagSocket } from "../../src/linux/netlink/diag-socket.js";
import { AddressIndex } from "../../src/socket-table/addresses.js";
import { formatIp, type IpAddress, parseIp } from "../../src/util/address.js";

const anyAddress = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes): IpAddress => ({ family: 4, bytes })),
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes): IpAddress => ({ family: 6, bytes })),
);

function socketAt({ family, bytes }: IpAddress): DiagSocket {
  const message = Buffer.alloc(72);
  message[0] = family === 4 ? 2 : 10;
  message.set(bytes, DIAG_FIELD.localIp);
  message.set(bytes, DIAG_FIELD.remoteIp);
  return new DiagSocket(message).move(0, 72);
}

it("gives each address one number, whether it comes from a socket or from text", () => {
  fc.assert(
    fc.property(anyAddress, (address) => {
      const index = new AddressIndex();
      const id = index.local(socketAt(address));
      expect([index.remote(socketAt(address)), index.of(address), index.size]).toEqual([id, id, 1]);
      expect(index.text(id)).toBe(formatIp(address));
    }),
  );
  const index = new AddressIndex();
  expect(index.of(parseIp("::ffff:127.0.0.1"))).toBe(index.of(parseIp("127.0.0.1")));
});

it("orders addresses numerically, whichever came first", () => {
  const sorted = ["0.0.0.1", "127.0.0.1", "127.0.1.0", "200.0.0.1", "::1", "::100", "1::", "2001:db8::1", "ffff::"];
  for (const given of [sorted, [...sorted].reverse()]) {
    const index = new AddressIndex();
    const ids = given.map((ip) => index.of(parseIp(ip)));
    expect(ids.sort((a, b) => index.compare(a, b)).map((id) => index.text(id))).toEqual(sorted);
  }
});
