// Re-exports zod. The build bundles it into a single file, because loading its hundred files separately takes three
// times as long and a hundred descriptors, and a process may only have forty.
export { z } from "zod";
