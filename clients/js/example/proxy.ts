import { clerkMiddleware } from "@clerk/nextjs/server";
import { withRollcall } from "@rollcall-sync/clerk/next";

/**
 * In an app of one's own this is `withRollcall(clerkMiddleware())` and nothing else. Here the other two ways must find
 * something to do, and the stand-in for Clerk's pages is nobody's first request.
 */
export default withRollcall(clerkMiddleware(), { skip: ["/by-layout", "/by-hook", "/dev"] });

export const config = {
  matcher: ["/((?!_next|.*\\.(?:css|js|png|svg|ico|woff2?)$).*)"],
};
