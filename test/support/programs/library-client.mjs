// Our own client, by the library, in a process of its own: `begun`, and at the end `result <json>`.
import { connect } from "../../../dist/index.js";

const run = await connect(JSON.parse(process.argv[2]));
process.on("SIGTERM", () => {
  run.stop().catch(() => {});
});
console.log("begun");
console.log(`result ${JSON.stringify(await run.done)}`);
