import { ensureInLayout } from "@rollcall-sync/clerk/next/server";
import type { ReactNode } from "react";

/**
 * Ensures the user for the pages below. Next.js renders a layout and its page at the same time, so that a page which
 * needs the row waits for the same check: however often it is called for one request, Rollcall is asked once.
 */
export default async function Layout({ children }: { children: ReactNode }) {
  await ensureInLayout();
  return children;
}
