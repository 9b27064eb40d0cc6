// Runs several clients at once in one process. Prints how many met their target.
import { connect, serve } from "../../../dist/index.js";

const { host, runs, engine } = JSON.parse(process.argv[2]);
const server = await serve({ at: `${host}:0`, log: "none", engine });
const to = `${host}:${server.address.port}`;
const options = { to, connections: 5, durationMs: 50, engine };
const clients = await Promise.all(Array.from({ length: runs }, () => connect(options)));
const results = await Promise.all(clients.map(({ done }) => done));
await server.stop();
console.log(`${results.filter(({ isTargetMet }) => isTargetMet).length} met`);
