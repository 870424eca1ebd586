"use client";

import { RollcallProvider, useEnsureUser } from "@rollcall-sync/clerk/react";
import { useRouter } from "next/navigation";
import { useEffect } from "react";
import type { User } from "../../lib/db";
import { Card, Row } from "../card";

interface Props {
  userId: string;
  row: User | undefined;
}

/** With Clerk's provider around the app, `useAuth().userId` is the id; without it, the page passes it on. */
export function Ensured({ userId, row }: Props) {
  return (
    <RollcallProvider userId={userId}>
      <Account row={row} />
    </RollcallProvider>
  );
}

function Account({ row }: Pick<Props, "row">) {
  const router = useRouter();
  const { status, message, retry } = useEnsureUser();
  const stale = status === "ready" && row === undefined; // rendered before the row was made
  useEffect(() => {
    if (stale) {
      router.refresh();
    }
  }, [stale, router]);

  if (status === "error") {
    return (
      <Card state="error" title="That did not work">
        <p>{message}</p>
        <p>
          <button type="button" onClick={retry}>
            Try again
          </button>
        </p>
      </Card>
    );
  }
  if (row === undefined || status === "loading") {
    return (
      <Card state="loading" title="Setting up your account">
        <div className="bars" aria-hidden="true">
          <i />
          <i />
          <i />
          <i />
        </div>
      </Card>
    );
  }
  return <Row row={row} />;
}
