// Schemas, by zod. The build makes one file of it: its hundred files take a hundred descriptors of a process that may have forty, and
// three times as long to load.
export { z } from "zod";
