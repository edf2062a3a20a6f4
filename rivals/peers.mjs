// The npm detectors: `node peers.mjs MODULES NAME SECONDS < rows > verdicts`, the protocol of peers.py.
// MODULES is the node_modules folder that run.py installed; the packages are loaded from there, not from this folder.

import { createInterface } from "node:readline";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { readFileSync } from "node:fs";

const [modules, name, seconds] = process.argv.slice(2);

function load(packageName) {
  const folder = join(modules, packageName);
  const { main } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return import(pathToFileURL(join(folder, main)));
}

const peers = {
  async vard() {
    const { default: vard } = await load("@andersmyrmel/vard");
    return (text) => !vard.safe(text).safe;
  },
  async aidefence() {
    const { createAIDefence } = await load("@claude-flow/aidefence");
    const defence = createAIDefence();
    return async (text) => !(await defence.detect(text)).safe;
  },
  async llm_guardrail() {
    const { checkAll } = await load("llm_guardrail");
    return async (text) => !(await checkAll(text)).allowed;
  },
};

// Peers may print: their words go to stderr, ours alone to stdout.
console.log = console.info = console.debug = console.error;

const scan = await peers[name]();
await scan("Good morning."); // The first call is warm-up for everybody.
const deadline = performance.now() + Number(seconds) * 1e3;
for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  if (performance.now() > deadline) break;
  const row = JSON.parse(line);
  const answer = { id: row.id };
  const start = performance.now();
  try {
    answer.verdicts = { "": await scan(row.text) };
  } catch (error) {
    answer.error = String(error).slice(0, 200);
  }
  answer.latency_us = (performance.now() - start) * 1e3;
  process.stdout.write(JSON.stringify(answer) + "\n");
}
process.exit(0); // Whatever timers a peer left behind.
