import { defineConfig, type UserConfig } from "tsdown";

// One file in, one file out: what is imported stays visible, "use client" stays on top
// of its file, and an app's bundler drops what it does not use.
const config: UserConfig = defineConfig({
  entry: ["src/index.ts", "src/next.ts", "src/next/server.ts", "src/react.ts"],
  format: "esm",
  platform: "neutral",
  target: "es2022",
  unbundle: true,
  dts: { sourcemap: true },
  sourcemap: true,
  fixedExtension: false,
});

export default config;
