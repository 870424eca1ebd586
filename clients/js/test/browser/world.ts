import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { publishableKey } from "./clerk.js";
import { finish } from "./process.js";

const root: string = join(import.meta.dirname, "../..");

declare module "vitest" {
  interface ProvidedContext {
    /** The program, built from this very tree. */
    binary: string;
    /** A PostgreSQL server's URL, of a user who may create databases. */
    postgres: string;
  }
}

/** Builds what is tested, once: the program, the package, the example app. The tests start and end all processes. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const postgres = process.env.TEST_DATABASE_URL;
  if (!postgres) {
    throw new Error(
      "TEST_DATABASE_URL is not set. From the root of the repository: " +
        "go run ./internal/pgtest/cmd/pgtest -- npm --prefix clients/js run test:browser",
    );
  }
  const folder = await mkdtemp(join(tmpdir(), "rollcall-js-"));
  const binary = join(folder, "rollcall");
  await finish("go", ["build", "-o", binary, "."], { cwd: join(root, "../..") });
  await finish(join(root, "node_modules/.bin/tsdown"), [], { cwd: root });
  await finish(join(root, "node_modules/.bin/next"), ["build", "example"], {
    cwd: root,
    env: { NODE_ENV: "production", NEXT_TELEMETRY_DISABLED: "1", NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY: publishableKey },
  });
  project.provide("binary", binary);
  project.provide("postgres", postgres);
  return () => rm(folder, { recursive: true, force: true });
}
