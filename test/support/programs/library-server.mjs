// Runs the library's server in its own process. Prints `listening <port>`. SIGUSR2 makes it print `snapshot <json>`;
// SIGTERM stops it, and it prints `result <json>`.
import { serve } from "../../../dist/index.js";

const server = await serve(JSON.parse(process.argv[2]));
process.on("SIGUSR2", () => console.log(`snapshot ${JSON.stringify(server.snapshot())}`));
process.on("SIGTERM", () => {
  server.stop().catch(() => {});
});
console.log(`listening ${server.address.port}`);
console.log(`result ${JSON.stringify(await server.done)}`);
