// Runs the demo as if little memory were free. Arguments: number of connections, available bytes.
import { runDemo } from "../../../dist/cli/demo/run.js";

const [connections, availableBytes] = process.argv.slice(2).map(Number);
const room = { bound: "host", availableBytes, floorBytes: 0 };
process.exitCode = await runDemo(connections, { room });
