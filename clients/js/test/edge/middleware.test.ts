import { expect, it } from "vitest";
import { describeMiddleware } from "../middleware.js";

it("is the edge runtime", () => {
  expect((globalThis as { EdgeRuntime?: unknown }).EdgeRuntime).toBeDefined();
});

describeMiddleware("edge");
