// Peers of TLS connections on raw sockets. They encrypt what a test sends and decrypt what it reads, with the same
// OpenSSL.
import { onTestFinished } from "vitest";
import { tlsCodeName } from "../../src/linux/openssl/codes.js";
import { TLS_AGAIN, TLS_END, TlsSessions } from "../../src/linux/openssl/session.js";
import { EAGAIN } from "../../src/linux/syscalls/errno.js";
import { NativeBuffer } from "../../src/linux/syscalls/libc.js";
import { receive, sendBytes } from "../../src/linux/syscalls/socket.js";
import { acceptAll, connectRaw } from "./raw-sockets.js";
import type { Peers } from "./transport.js";

const BUFFER_SIZE = 65_536;

interface End {
  readonly connection: number;
  readonly sessions: TlsSessions;
  isReady: boolean;
  text: string;
  end: number | undefined;
  /** Ciphertext that the kernel has not accepted yet. */
  unsent: Buffer;
}

/**
 * Returns peers in both roles.
 *
 * @param clientContext context that lives as long as the tests
 * @param serverContext context that lives as long as the tests
 */
export function tlsPeers(clientContext: number, serverContext: number): Peers {
  const [dialing, accepting] = [new TlsSessions(clientContext), new TlsSessions(serverContext)];
  const ends = new Map<number, End>();
  const awaited: { listener: number; fd: number }[] = [];
  const [input, output, plain] = Array.from({ length: 3 }, () => new NativeBuffer(BUFFER_SIZE));

  const begin = (fd: number, sessions: TlsSessions, connection: number) => {
    const end = { connection, sessions, isReady: false, text: "", end: undefined, unsent: Buffer.alloc(0) };
    ends.set(fd, end);
    // The descriptor number belongs to another socket after the test.
    onTestFinished(() => {
      if (ends.delete(fd)) sessions.free(connection);
      awaited.splice(0);
    });
    step(fd);
    return fd;
  };
  const flush = (fd: number, end: End) => {
    for (let length = end.sessions.takeOutput(output!); length > 0; length = end.sessions.takeOutput(output!)) {
      end.unsent = Buffer.concat([end.unsent, output!.bytes.subarray(0, length)]);
    }
    if (end.unsent.length === 0) return;
    const sent = sendBytes(fd, NativeBuffer.from(end.unsent), 0, end.unsent.length);
    if (sent > 0) end.unsent = end.unsent.subarray(sent);
  };
  const step = (fd: number) => {
    const end = ends.get(fd)!;
    const { sessions, connection } = end;
    for (let received = 1; received > 0 && end.end === undefined; ) {
      received = receive(fd, input!);
      if (received > 0) sessions.feed(input!.address, received);
      else if (received !== -EAGAIN) end.end = received;
      if (!end.isReady) end.isReady = sessions.handshake(connection) === 0;
      let read = end.isReady ? sessions.read(connection, plain!) : TLS_AGAIN;
      for (; read > 0; read = sessions.read(connection, plain!)) end.text += plain!.bytes.toString("latin1", 0, read);
      if (read === TLS_END) end.end ??= 0;
      sessions.clearInput();
      flush(fd, end);
    }
  };
  const acceptNew = (listener: number) => {
    for (const fd of acceptAll(listener)) awaited.push({ listener, fd: begin(fd, accepting, accepting.accept()) });
  };

  return {
    isPlain: false,
    slack: 16_384,
    accept: (listener) => {
      acceptNew(listener);
      const mine = awaited.filter((one) => one.listener === listener);
      for (const one of mine) awaited.splice(awaited.indexOf(one), 1);
      return mine.map(({ fd }) => fd);
    },
    dial: (to, port) => {
      const fd = connectRaw(to, port);
      return begin(fd, dialing, dialing.connect({ host: to, isIp: true }, 0));
    },
    send: (fd, text) => {
      const end = ends.get(fd)!;
      flush(fd, end);
      if (text === "" || !end.isReady || end.unsent.length > 0) return 0;
      const bytes = NativeBuffer.from(Buffer.from(text.slice(0, BUFFER_SIZE)));
      let sent = 0;
      while (sent < bytes.bytes.length) {
        const written = end.sessions.write(end.connection, bytes.address + sent, bytes.bytes.length - sent);
        if (written < 0) throw new Error(`the peer cannot encrypt: ${tlsCodeName(end.sessions.failure)}`);
        sent += written;
        flush(fd, end);
      }
      return sent;
    },
    drain: (fd) => {
      const end = ends.get(fd)!;
      step(fd);
      const { text } = end;
      end.text = "";
      return { text, end: end.end };
    },
    pump: (listeners) => {
      for (const listener of listeners) acceptNew(listener);
      for (const [fd, end] of ends) {
        // Only drain() reads after the handshake.
        if (end.isReady) flush(fd, end);
        else if (end.end === undefined) step(fd);
      }
    },
    areReady: () => [...ends.values()].every((end) => end.isReady || end.end !== undefined),
  };
}
