import { defineConfig, type ViteUserConfig } from "vitest/config";

// What an app of a production instance of Clerk has in its environment: clerk.example.com.
const clerk = {
  NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY: `pk_live_${btoa("clerk.example.com$")}`,
  CLERK_SECRET_KEY: "sk_live_0123456789abcdefghij",
  NEXT_PUBLIC_CLERK_TELEMETRY_DISABLED: "1",
};

const config: ViteUserConfig = defineConfig({
  test: {
    env: clerk,
    restoreMocks: true,
    unstubGlobals: true,
    unstubEnvs: true,
    projects: [
      { extends: true, test: { name: "unit", include: ["test/unit/**/*.test.ts"], environment: "node" } },
      // The same middleware, in the runtime that Next.js' edge is made of: no Node.js, web standards alone.
      {
        extends: true,
        test: { name: "edge", include: ["test/edge/**/*.test.ts"], environment: "edge-runtime" },
        ssr: { noExternal: true },
      },
      { extends: true, test: { name: "react", include: ["test/react/**/*.test.tsx"], environment: "happy-dom" } },
      {
        extends: true,
        test: {
          name: "browser",
          include: ["test/browser/**/*.test.ts"],
          environment: "node",
          globalSetup: "test/browser/world.ts",
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
    ],
  },
});

export default config;
