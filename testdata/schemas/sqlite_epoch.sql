-- SQLite by hand: integer times in seconds, as a row from before Clerk shows; a primary key that is a text; booleans as integers.
CREATE TABLE members (id text PRIMARY KEY, clerk_id text UNIQUE, email text, username text, is_banned integer NOT NULL DEFAULT 0, last_sign_in_at integer, created_at integer NOT NULL, deleted_at integer);
INSERT INTO members (id, email, created_at, last_sign_in_at) VALUES ('5a0e3b52-9a0f-4d3c-8a51-0c1f1d3f6f5e', 'founder@before.example', 1650000000, 1650000000);
