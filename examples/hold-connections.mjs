// Opens 5,000 connections to its own server, watches them while they are held, and prints what happened. Run it after
// `npm run build`: node examples/hold-connections.mjs
import { connect, serve } from "fourtuple";

const server = await serve({ at: "127.0.0.1:0", log: "none" });
const run = await connect({ to: `127.0.0.1:${server.address.port}`, connections: 5000, durationMs: 1000 });

for await (const { stage, open, inFlight } of run.snapshots(250)) {
  console.log(`${stage}: ${open} open, ${inFlight} in flight`);
}

const result = await run.done;
await server.stop();
console.log(`${result.established} established at ${Math.round(result.ratePerSec)} per second`);
console.log(`the kernel counted ${result.kernel?.incoming} of them on port ${server.address.port}`);
process.exitCode = result.isTargetMet ? 0 : 1;
