// Runs a user's file in the single executable, as `node <file>` would.
const { pathToFileURL } = require("node:url");

/** @param {string} file */
exports.run = (file) => import(pathToFileURL(file).href);
