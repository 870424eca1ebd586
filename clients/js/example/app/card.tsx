import type { ReactNode } from "react";
import type { User } from "../lib/db";

/** The frame of each page's one statement. `state` is what the tests and the style sheet go by. */
export function Card({ state, title, children }: { state: string; title: string; children: ReactNode }) {
  return (
    <section className="card" data-state={state} aria-live="polite" aria-busy={state === "loading"}>
      <h2>
        <i className="dot" aria-hidden="true" />
        {title}
      </h2>
      {children}
    </section>
  );
}

/** The row as it stands in PostgreSQL. */
export function Row({ row }: { row: User }) {
  const fields = { id: row.id, clerkId: row.clerkId, email: row.email, name: row.name ?? "NULL" };
  return (
    <Card state="ready" title="Your row is there">
      <dl>
        {Object.entries(fields).map(([column, value]) => (
          <div key={column}>
            <dt>{column}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </Card>
  );
}

/** What a page shows where its user has no row, or nobody is signed in. */
export function NoRow({ userId }: { userId: string | null }) {
  if (userId === null) {
    return (
      <Card state="signed-out" title="Nobody is signed in">
        <p>
          <a className="button" href="/">
            Sign in
          </a>
        </p>
      </Card>
    );
  }
  return (
    <Card state="missing" title="No row yet">
      <p>The page answers all the same. A later request tries again.</p>
    </Card>
  );
}
