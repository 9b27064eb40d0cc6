// Server with fourtuple's public API: greets with "hello" and holds each connection. Usage: server.mjs <port>. Prints
// "listening", and stops on SIGTERM.
import { serve } from "fourtuple";
import { engine, scheme, serverIp } from "./engine.mjs";

const server = await serve({ at: `${scheme}${serverIp}:${process.argv[2]}`, log: "none", engine });
process.once("SIGTERM", () => server.stop());
await server.ready;
console.log("listening");
await server.done;
