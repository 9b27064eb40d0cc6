// Re-exports zod. The build bundles zod into a single file, because loading its hundred files separately takes
// three times as long and a hundred descriptors, and a process may have only forty.
export { z } from "zod";
