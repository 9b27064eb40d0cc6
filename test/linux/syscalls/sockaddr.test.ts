import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { libc, NativeBuffer } from "../../../src/linux/syscalls/libc.js";
import {
  decodeSockaddr,
  describeSockaddr,
  encodeSockaddr,
  SOCKADDR_SIZE,
  SocketAddress,
  sockaddrLength,
} from "../../../src/linux/syscalls/sockaddr.js";
import { bindTo, closeFd, localAddress, openTcp } from "../../../src/linux/syscalls/socket.js";
import { formatIp, type IpAddress, parseIp } from "../../../src/util/address.js";

// Bytes that getsockname() returned in a C program (Linux 6.18, x64) for sockets bound to these addresses.
const CAPTURED = [
  { ip: "127.1.2.3", port: 43982, bytes: "0200abce7f0102030000000000000000" },
  { ip: "::1", port: 43982, bytes: "0a00abce000000000000000000000000000000000000000100000000" },
];

const anyIp = fc
  .oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }))
  .map((bytes): IpAddress => ({ family: bytes.length === 4 ? 4 : 6, bytes }));
const anyPort = fc.integer({ min: 0, max: 65535 });

describe("sockaddr", () => {
  it.each(CAPTURED)("of $ip is encoded as the kernel does", ({ ip, port, bytes }) => {
    const buffer = Buffer.alloc(SOCKADDR_SIZE, 0xff);
    const address = parseIp(ip);
    encodeSockaddr(buffer, address, port);
    expect(buffer.subarray(0, sockaddrLength(address.family)).toString("hex")).toBe(bytes);
    expect(describeSockaddr(Buffer.from(bytes.padEnd(SOCKADDR_SIZE * 2, "0"), "hex"))).toEqual({ ip, port });
  });

  it.each(["127.9.8.7", "::1"])("of a socket bound to %s matches the kernel's byte for byte", (ip) => {
    const address = parseIp(ip);
    const fd = openTcp(address.family);
    try {
      expect(bindTo(fd, new SocketAddress(address, 0))).toBe(0);
      const { port } = localAddress(fd);
      expect(port).toBeGreaterThan(0);
      const out = new NativeBuffer(SOCKADDR_SIZE);
      const length = NativeBuffer.from(new Uint8Array(new Int32Array([SOCKADDR_SIZE]).buffer));
      expect(libc.getsockname(fd, out.address, length.address)).toBe(0);
      const expected = Buffer.alloc(SOCKADDR_SIZE);
      encodeSockaddr(expected, address, port);
      expect(length.bytes.readInt32LE()).toBe(sockaddrLength(address.family));
      expect(out.bytes.toString("hex")).toBe(expected.toString("hex"));
    } finally {
      closeFd(fd);
    }
  });

  it("decodes what it encoded", () => {
    fc.assert(
      fc.property(anyIp, anyPort, (ip, port) => {
        const buffer = Buffer.alloc(SOCKADDR_SIZE);
        encodeSockaddr(buffer, ip, port);
        expect(decodeSockaddr(buffer)).toEqual({ ip, port });
      }),
    );
  });

  it("is undefined for another family", () => {
    const buffer = Buffer.alloc(SOCKADDR_SIZE);
    buffer.writeUInt16LE(1, 0);
    expect(decodeSockaddr(buffer)).toBeUndefined();
    expect(describeSockaddr(buffer)).toEqual({ ip: "?", port: 0 });
  });

  it("can be changed in place: bind() then uses the new address and port", () => {
    const address = new SocketAddress(parseIp("127.9.8.1"), 1);
    const probe = openTcp(4);
    bindTo(probe, new SocketAddress(parseIp("127.9.8.6"), 0));
    const { port } = localAddress(probe);
    closeFd(probe);
    address.setIp(parseIp("127.9.8.6"));
    address.setPort(port);
    const fd = openTcp(4);
    try {
      expect(bindTo(fd, address)).toBe(0);
      expect(localAddress(fd)).toEqual({ ip: formatIp(parseIp("127.9.8.6")), port });
    } finally {
      closeFd(fd);
    }
  });

  it("of a link-local address has its interface's number as scope, given by name or number", () => {
    const lo = Buffer.alloc(SOCKADDR_SIZE);
    encodeSockaddr(lo, parseIp("fe80::1%lo"), 80);
    expect(lo.toString("hex")).toBe("0a00005000000000fe80000000000000000000000000000101000000");
    expect(decodeSockaddr(lo)).toEqual({ ip: parseIp("fe80::1%lo"), port: 80 });
    const other = Buffer.alloc(SOCKADDR_SIZE);
    encodeSockaddr(other, parseIp("fe80::1%999999"), 80);
    expect(other.readUInt32LE(24)).toBe(999_999);
    expect(decodeSockaddr(other)).toEqual({ ip: parseIp("fe80::1%999999"), port: 80 });
    // The kernel may set a scope on an address that is not link-local; it is ignored.
    lo.set(parseIp("2001:db8::1").bytes, 8);
    expect(decodeSockaddr(lo)).toEqual({ ip: parseIp("2001:db8::1"), port: 80 });
  });

  it("that is changed in place has the new address's scope, and none for IPv4", () => {
    const bytesOf = (address: SocketAddress) => Buffer.from((address as unknown as { bytes: Buffer }).bytes);
    const address = new SocketAddress(parseIp("fe80::1%lo"), 80);
    expect(bytesOf(address).readUInt32LE(24)).toBe(1);
    address.setIp(parseIp("2001:db8::1"));
    expect(decodeSockaddr(bytesOf(address))).toEqual({ ip: parseIp("2001:db8::1"), port: 80 });
    expect(bytesOf(address).readUInt32LE(24)).toBe(0);
    address.setIp(parseIp("fe80::2%lo"));
    expect(decodeSockaddr(bytesOf(address))?.ip).toEqual(parseIp("fe80::2%lo"));
  });
});
