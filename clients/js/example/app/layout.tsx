import type { Metadata } from "next";
import Link from "next/link";
import type { ReactNode } from "react";
import "./style.css";

export const metadata: Metadata = { title: "Rollcall example" };

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>
        <header>
          <Link href="/" className="brand" prefetch={false}>
            Rollcall <span>example</span>
          </Link>
          <nav>
            {/* Prefetching would be a first request too, made by nobody. */}
            <Link href="/by-middleware" prefetch={false}>
              Middleware
            </Link>
            <Link href="/by-layout" prefetch={false}>
              Layout
            </Link>
            <Link href="/by-hook" prefetch={false}>
              Hook
            </Link>
          </nav>
        </header>
        <main>{children}</main>
      </body>
    </html>
  );
}
