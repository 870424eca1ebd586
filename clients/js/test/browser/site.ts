import { readFile } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { Clerk, publishableKey, secretKey } from "./clerk.js";
import { freePort, Process } from "./process.js";

const root: string = join(import.meta.dirname, "../..");
const example: string = join(root, "example");

/** Everything that a site is made of: PostgreSQL, the simulated Clerk, Rollcall, the app. */
export class Site {
  private constructor(
    readonly app: string,
    readonly clerk: Clerk,
    readonly rollcall: Rollcall,
    readonly table: Table,
    private readonly processes: Process[],
  ) {}

  static async start(binary: string, postgres: string): Promise<Site> {
    const table = await Table.create(postgres);
    const sim = new Process(binary, ["sim", "--listen", "127.0.0.1:0", "--users", "20"]);
    const clerk = new Clerk((await sim.says(/^listening on (http.*)/))[1] ?? "");
    const [admin, pub, port] = await Promise.all([freePort(), freePort(), freePort()]);
    const rollcall = new Rollcall(binary, admin, {
      CLERK_API_URL: `${clerk.url}/v1`,
      CLERK_SECRET_KEY: secretKey,
      DATABASE_URL: table.url,
      ROLLCALL_ADMIN: `127.0.0.1:${admin}`,
      ROLLCALL_PUBLIC: `127.0.0.1:${pub}`,
    });
    await rollcall.start();
    const next = join(root, "node_modules/next/dist/bin/next");
    // By its name: Next.js calls 127.0.0.1 localhost inside, and would take Clerk's rewrite for another server's.
    const app = new Process(process.execPath, [next, "start", example, "-H", "localhost", "-p", String(port)], {
      env: {
        NODE_ENV: "production", // and not that of the tests
        CLERK_API_URL: clerk.url,
        CLERK_SECRET_KEY: secretKey,
        DATABASE_URL: table.url,
        NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY: publishableKey,
        NEXT_PUBLIC_CLERK_TELEMETRY_DISABLED: "1",
        NEXT_TELEMETRY_DISABLED: "1",
        ROLLCALL_MARKER_SECRET: "a secret of forty characters, for tests.",
        ROLLCALL_URL: `http://127.0.0.1:${pub}`,
        SIMULATOR_URL: clerk.url,
      },
    });
    await app.says(/Ready in/);
    return new Site(`http://localhost:${port}`, clerk, rollcall, table, [app, sim]);
  }

  /** What the app has written so far. */
  get log(): string {
    return this.processes[0]?.lines.join("\n") ?? "";
  }

  async stop(): Promise<void> {
    await this.rollcall.stop();
    for (const process of this.processes) {
      await process.stop();
    }
    await this.table.drop();
  }
}

/** The daemon, which goes away and comes back under the same address. */
export class Rollcall {
  #process: Process | undefined;

  constructor(
    private readonly binary: string,
    private readonly admin: number,
    private readonly env: Record<string, string>,
  ) {}

  /** Starts it, and waits for its listener and for the run at start, which is the first alone. */
  async start(): Promise<void> {
    const first = this.#process === undefined;
    const process = new Process(this.binary, ["--config", join(example, "rollcall.yaml")], { env: this.env });
    this.#process = process;
    await process.says(/"listening".*"public"|"public".*"listening"/);
    if (first) {
      await process.says(/"outcome"/);
    }
  }

  async stop(): Promise<void> {
    await this.#process?.stop();
  }

  /** How many calls of POST /api/ensure have ended in each way. */
  async calls(): Promise<Record<string, number>> {
    const response = await fetch(`http://127.0.0.1:${this.admin}/metrics`);
    const found = (await response.text()).matchAll(/^rollcall_ensure_total\{result="(\w+)"\} (\d+)$/gm);
    return Object.fromEntries([...found].map(([, result, count]) => [result, Number(count)]));
  }
}

/** The app's table, in a database of its own. */
export class Table {
  private constructor(
    readonly url: string,
    private readonly server: string,
    private readonly pool: pg.Pool,
  ) {}

  static async create(server: string): Promise<Table> {
    const name = `example_${crypto.randomUUID().replaceAll("-", "")}`;
    await statement(server, `CREATE DATABASE ${name}`);
    const url = new URL(server);
    url.pathname = `/${name}`;
    const pool = new pg.Pool({ connectionString: url.href });
    await pool.query(await readFile(join(example, "schema.sql"), "utf8"));
    return new Table(url.href, server, pool);
  }

  /** How many rows a user has. */
  async rows(where: "clerkId" | "email", value: string): Promise<number> {
    const { rows } = await this.pool.query(`SELECT count(*)::int AS n FROM "User" WHERE "${where}" = $1`, [value]);
    return rows[0].n;
  }

  async drop(): Promise<void> {
    await this.pool.end();
    await statement(this.server, `DROP DATABASE ${new URL(this.url).pathname.slice(1)} WITH (FORCE)`);
  }
}

async function statement(url: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(text).finally(() => client.end());
}
