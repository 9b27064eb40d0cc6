// Servers implemented with npm packages: SMTP with smtp-server, Engine.IO with engine.io, STOMP with stompit's frame
// streams. Prints a line once it is listening.
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";

const { kind, ip, port } = JSON.parse(process.argv[2]);

const SERVERS = { smtp: startSmtp, "engine-io": startEngineIo, stomp: startStomp };
await SERVERS[kind]();
console.log("listening");

async function startSmtp() {
  const { SMTPServer } = await import("smtp-server");
  const server = new SMTPServer({ disabledCommands: ["AUTH", "STARTTLS"] });
  server.on("error", () => undefined);
  await new Promise((listening) => server.listen(port, ip, listening));
}

async function startEngineIo() {
  const { attach } = await import("engine.io");
  const http = createHttpServer();
  // Echoes each message.
  attach(http, { pingInterval: 200 }).on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
  http.listen(port, ip);
  await once(http, "listening");
}

/** Delivers each message to the client that sent it, if it subscribes to the destination. */
async function startStomp() {
  const { default: stompit } = await import("stompit");
  const server = createServer((socket) => {
    const input = new stompit.IncomingFrameStream();
    const output = new stompit.OutgoingFrameStream(socket);
    const subscriptions = new Map();
    let delivered = 0;
    socket.on("error", () => undefined);
    socket.pipe(input);
    input.on("error", () => socket.destroy());
    input.on("data", (frame) => {
      frame.readString("utf8", (_, body) => {
        const { command, headers } = frame;
        if (command === "CONNECT" || command === "STOMP") output.frame("CONNECTED", { version: "1.2" }).end();
        else if (command === "SUBSCRIBE") subscriptions.set(headers.destination, headers.id);
        else if (command === "SEND" && subscriptions.has(headers.destination)) {
          const { destination } = headers;
          const subscription = subscriptions.get(destination);
          output.frame("MESSAGE", { subscription, destination, "message-id": `${++delivered}` }).end(body);
        } else if (command === "DISCONNECT") socket.end();
        else output.frame("ERROR", { message: `unexpected ${command}` }).end();
      });
    });
  });
  server.listen(port, ip);
  await once(server, "listening");
}
