import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import pg from "pg";

const root = path.resolve(import.meta.dirname, "../../..");

/**
 * Starts the simulated Clerk and a Rollcall daemon, as programs, over a database of their own, and signs every user
 * in. The users table is empty, as if every webhook had been lost.
 */
export async function startWorld({ users }) {
  const server = process.env.TEST_DATABASE_URL;
  if (!server) {
    throw new Error("TEST_DATABASE_URL is not set: see the first lines of bench.mjs");
  }
  const undo = [];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) {
      await step();
    }
  };
  try {
    const folder = await mkdtemp(path.join(os.tmpdir(), "rollcall-js-bench-"));
    undo.push(() => rm(folder, { recursive: true }));
    const program = path.join(folder, "rollcall");
    const build = spawnSync("go", ["build", "-buildvcs=false", "-o", program, "."], { cwd: root, encoding: "utf8" });
    if (build.status !== 0) {
      throw new Error(`build rollcall: ${build.error?.message ?? build.stderr}`);
    }

    const name = `rollcall_js_bench_${process.pid}`;
    await sql(server, `CREATE DATABASE ${name}`);
    undo.push(() => sql(server, `DROP DATABASE ${name} WITH (FORCE)`));
    const database = new URL(server);
    database.pathname = `/${name}`;
    await sql(database.href, "CREATE TABLE users (clerk_id text PRIMARY KEY, email text)");

    const sim = start(program, ["sim", "--listen", "127.0.0.1:0", "--users", String(users)], {});
    undo.push(sim.stop);
    const clerk = (await sim.until((line) => line.startsWith("listening on "))).slice("listening on ".length);

    const daemon = start(program, [], {
      CLERK_SECRET_KEY: "sk_test_bench",
      CLERK_API_URL: `${clerk}/v1`,
      DATABASE_URL: database.href,
      ROLLCALL_CONFIG_YAML: JSON.stringify({
        clerk: { rate_limit: "off" },
        schedule: { full: "@every 20h", recent: "" },
        server: { admin: "127.0.0.1:0", public: "127.0.0.1:0" },
        log: { format: "json" },
      }),
    });
    undo.push(daemon.stop);
    const field = (line, key) => (line.startsWith("{") ? JSON.parse(line)[key] : undefined);
    const listening = daemon.until((line) => field(line, "for") === "public");
    await daemon.until((line) => field(line, "outcome") === "repaired"); // the run at start
    const url = `http://${field(await listening, "addr")}`;
    await sql(database.href, "DELETE FROM users");
    return { url, databaseURL: database.href, sessions: await signIn(clerk, users), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Signs every user in, as Clerk's pages would: a session token each. */
async function signIn(clerk, users) {
  const sessions = [];
  for (let offset = 0; offset < users; offset += 100) {
    const headers = { authorization: "Bearer sk_test_bench" };
    const page = await fetch(`${clerk}/v1/users?limit=100&offset=${offset}`, { headers });
    for (const { id } of await page.json()) {
      const body = JSON.stringify({ user_id: id, expires_in_seconds: 3600 });
      const answer = await fetch(`${clerk}/sim/sessions`, { method: "POST", body });
      const { jwt, session_id: sessionId } = await answer.json();
      sessions.push({ userId: id, sessionId, token: jwt });
    }
  }
  return sessions;
}

async function sql(url, statement) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

/** A program, whose lines can be waited for. */
function start(program, args, env) {
  const child = spawn(program, args, { env: { PATH: process.env.PATH, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  const lines = [];
  const waiting = new Set();
  const exited = new Promise((resolve) => child.once("exit", resolve));
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line);
      for (const look of waiting) {
        look(line);
      }
    });
  }
  return {
    until: (matches) =>
      new Promise((resolve, reject) => {
        const look = (line) => {
          if (matches(line)) {
            waiting.delete(look);
            resolve(line);
          }
        };
        waiting.add(look);
        lines.forEach(look);
        exited.then((code) => reject(new Error(`${program} ended with ${code}:\n${lines.join("\n")}`)));
      }),
    stop: async () => {
      child.kill("SIGTERM");
      await exited;
    },
  };
}
