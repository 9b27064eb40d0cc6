// A run that ends by itself, with a Ctrl-C that arrives before its result is printed.
import { supervise } from "../../../dist/cli/supervise.js";

const result = await supervise({ done: Promise.resolve("the result"), stop: async () => "stopped", abort() {} });
process.kill(process.pid, "SIGINT");
console.log(result);
