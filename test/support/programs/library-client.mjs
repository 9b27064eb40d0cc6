// Runs the library's client in its own process. Prints `begun`, and `result <json>` at the end.
import { connect } from "../../../dist/index.js";

const run = await connect(JSON.parse(process.argv[2]));
process.on("SIGTERM", () => {
  run.stop().catch(() => {});
});
console.log("begun");
console.log(`result ${JSON.stringify(await run.done)}`);
