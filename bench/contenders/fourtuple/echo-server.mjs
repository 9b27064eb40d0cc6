// Echo server of the message workload with fourtuple's public API.
// Usage: echo-server.mjs <port>. Prints "listening", and stops on SIGTERM.
import { serve } from "fourtuple";
import { engine, serverIp } from "./engine.mjs";

const server = await serve({ at: `${serverIp}:${process.argv[2]}`, mode: "echo", log: "none", engine });
process.once("SIGTERM", () => server.stop());
await server.ready;
console.log("listening");
await server.done;
