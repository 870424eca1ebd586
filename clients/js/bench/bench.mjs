// What the middleware step costs a request: with the marker, without it, and beside a database query per request.
// It needs a PostgreSQL (TEST_DATABASE_URL), Go to build Rollcall, and `npm run build` before it:
//
//   go run ./internal/pgtest/cmd/pgtest -- sh -c 'cd clients/js && npm run bench'
import { register } from "node:module";
import os from "node:os";
import pg from "pg";
import { startWorld } from "./world.mjs";

// A bundler finds next/server without an extension, Node.js alone does not.
const resolve = `export const resolve = (name, context, next) =>
  next(/^next\\/[\\w/-]+$/.test(name) ? name + ".js" : name, context);`;
register(`data:text/javascript,${encodeURIComponent(resolve)}`);
const { NextRequest, NextResponse } = await import("next/server");
const { rollcallStep } = await import("../dist/next/step.js");

const firsts = 200; // users whose row is missing
const queries = 5_000;
const rounds = 20; // of a thousand requests each, with and without the step by turns

const world = await startWorld({ users: firsts });
try {
  await measure(world);
} finally {
  await world.stop();
}

async function measure({ url, databaseURL, sessions }) {
  const failures = [];
  const options = { url, secret: "s".repeat(32), onError: (error) => failures.push(error) };
  const visit = async ({ userId, sessionId, token }, cookie) => {
    const headers = cookie ? { cookie } : {};
    const request = new NextRequest("https://app.example.com/dashboard", { headers });
    return rollcallStep(async () => ({ userId, sessionId, getToken: async () => token }), request, options);
  };
  const pool = new pg.Pool({ connectionString: databaseURL });
  try {
    const first = [];
    const markers = [];
    for (const session of sessions) {
      const start = performance.now();
      const response = await visit(session);
      first.push(performance.now() - start);
      markers.push(response.headers.getSetCookie()[0]?.split(";")[0]);
    }
    // Another session of the same user: no marker, but the row is there.
    const present = [];
    for (const session of sessions) {
      const start = performance.now();
      await visit({ ...session, sessionId: `${session.sessionId}_again` });
      present.push(performance.now() - start);
    }
    const { rows } = await pool.query("SELECT count(*)::int AS n FROM users");
    if (failures.length > 0 || rows[0].n !== sessions.length) {
      throw new Error(`${rows[0].n} rows of ${sessions.length}, ${failures.length} failures: ${failures[0]?.message}`);
    }

    const [session] = sessions;
    const [cookie] = markers;
    if ((await visit(session, cookie)).headers.getSetCookie().length > 0) {
      throw new Error("the marker was not taken");
    }
    const bare = [];
    const marked = [];
    for (let round = 0; round < rounds; round++) {
      bare.push(
        await perCall(async () => {
          new NextRequest("https://app.example.com/dashboard", { headers: { cookie } }).cookies.get("__rollcall");
          NextResponse.next();
        }),
      );
      marked.push(await perCall(() => visit(session, cookie)));
    }

    const query = [];
    for (let i = 0; i < queries; i++) {
      const start = performance.now();
      await pool.query("SELECT clerk_id, email FROM users WHERE clerk_id = $1", [sessions[i % sessions.length].userId]);
      query.push(performance.now() - start);
    }
    const time = (ms) => (ms < 1 ? `${(ms * 1000).toFixed(0)} µs` : `${ms.toFixed(1)} ms`);
    const line = (what, values) => `| ${what} | ${[0, 0.5, 0.95].map((q) => time(quantile(values, q))).join(" | ")} |`;
    process.stdout.write(
      [
        `Node.js ${process.version}, ${os.cpus().length} cores, load ${os.loadavg()[0].toFixed(1)}`,
        "",
        "| | fastest | median | 95% |",
        "|---|---|---|---|",
        line("Next.js' request and response alone", bare),
        line("the same with the step, and a marker", marked),
        line("first request, the row is missing", first),
        line("a session's first request, the row is there", present),
        line("a query by Clerk's id, pooled connection", query),
        "",
      ].join("\n"),
    );
  } finally {
    await pool.end();
  }
}

/** What one of a thousand calls takes, in milliseconds. */
async function perCall(call) {
  const start = performance.now();
  for (let i = 0; i < 1000; i++) {
    await call();
  }
  return (performance.now() - start) / 1000;
}

function quantile(values, q) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
}
