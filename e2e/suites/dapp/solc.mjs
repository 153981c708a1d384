#!/usr/bin/env node
// The compiler that forge runs: the package solc behind the command line of the native one. Forge downloads a native one otherwise.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const solc = createRequire(new URL("./package.json", import.meta.url))("solc");

if (process.argv.includes("--version")) {
  console.log(`solc, the solidity compiler commandline interface\nVersion: ${solc.version().replace(".Emscripten.clang", ".Linux.g++")}`);
} else if (process.argv.includes("--standard-json")) {
  process.stdout.write(solc.compile(readFileSync(0, "utf8")));
} else {
  console.error(`not known: ${process.argv.slice(2).join(" ")}`);
  process.exit(1);
}
