// Opens the lab's two hosts with connections between them, in its own process. Options: { place, connections, cut }.
// Prints `open <json>` with their description. SIGTERM and SIGINT close the testbed and print `closed`; SIGUSR2 crashes
// the process.
import { onSnapshot } from "../../../dist/client/event-stream.js";
import { openTestbed } from "../../../dist/lab/testbed/testbed.js";

const { testbed: options, connections, cut } = JSON.parse(process.argv[2]);
const testbed = await openTestbed(options);
const { serverIp, clientIps } = testbed.description;
const serving = testbed.server.run(["serve", `${serverIp}:0`, "--log", "none", "--json"]);
const port = Number((await serving.prints(/"port":(\d+)/))[1]);
const connecting = testbed.client.run([
  ...["connect", `${serverIp}:${port}`, "--source-ip", clientIps, "-c", `${connections}`],
  ...["-T", "10m", "--authorized", "--json"],
]);
await new Promise((resolve, reject) => {
  onSnapshot(connecting, ({ stage, open }) => stage === "hold" && open === connections && resolve());
  connecting.result.then(({ stderr }) => reject(new Error(stderr)));
});

// This stands in for a program that does not notice when others exit.
testbed.client.exec("tail", ["-f", "/dev/null"]).catch(() => {});
if (cut) await testbed.client.exec("ip", ["link", "set", testbed.client.device, "down"]);

for (const signal of ["SIGTERM", "SIGINT"])
  process.once(signal, async () => {
    await testbed.close();
    console.log("closed");
    process.exit();
  });
process.once("SIGUSR2", () => {
  throw new Error("a crash");
});
const pids = [serving.pid, connecting.pid];
console.log(`open ${JSON.stringify({ description: testbed.description, port, pids })}`);
