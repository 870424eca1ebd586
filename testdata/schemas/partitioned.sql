-- A partitioned table: by hash of Clerk's id, which therefore can be unique.
CREATE TABLE customers (
    clerk_id text NOT NULL,
    email text,
    full_name text,
    signup_source text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (clerk_id)
) PARTITION BY HASH (clerk_id);
CREATE TABLE customers_0 PARTITION OF customers FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE customers_1 PARTITION OF customers FOR VALUES WITH (MODULUS 2, REMAINDER 1);
