-- Several tenants in one table, in a schema of its own: each user belongs to an organisation, of which there is one so far.
CREATE SCHEMA tenancy;
CREATE TABLE tenancy.organizations (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL);
INSERT INTO tenancy.organizations (id, name) VALUES ('7f1b5b1e-93e5-4a0a-9f6c-1d2e3f4a5b6c', 'The first');
CREATE TABLE tenancy.members (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES tenancy.organizations (id),
    auth_id text NOT NULL UNIQUE,
    email text NOT NULL,
    given_name text,
    family_name text,
    mobile varchar(20),
    settings jsonb NOT NULL,
    labels text[] NOT NULL,
    credits integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (organization_id, email)
);
