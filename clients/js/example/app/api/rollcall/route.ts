import { createEnsureRoute } from "@rollcall-sync/clerk/next/server";

export const { POST } = createEnsureRoute();
