import { join } from "node:path";
import type { NextConfig } from "next";

const config: NextConfig = {
  // The package is linked from the folder above.
  turbopack: { root: join(import.meta.dirname, "..") },
  devIndicators: false,
  poweredByHeader: false,
};

export default config;
