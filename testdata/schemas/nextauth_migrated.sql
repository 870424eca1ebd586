-- Moved from NextAuth to Clerk: some rows have a Clerk id, most have none yet; existing ids are cuids.
CREATE TABLE users (
    id text PRIMARY KEY,
    external_id text UNIQUE,
    name text,
    email text UNIQUE,
    email_verified timestamp,
    image text,
    created_at timestamp NOT NULL
);
INSERT INTO users (id, external_id, email, created_at) VALUES
    ('clh2k3v9x0000qz8r5b1c7d2e', '{{USER0}}', 'first@moved.example', '2023-01-01'),
    ('clh2k3v9x0001qz8r5b1c7d2f', '{{USER1}}', 'second@moved.example', '2023-01-02'),
    ('clh2k3v9x0002qz8r5b1c7d2g', NULL, 'third@moved.example', '2023-01-03');
CREATE TABLE accounts (id text PRIMARY KEY, user_id text NOT NULL REFERENCES users (id), type text NOT NULL, provider text NOT NULL, provider_account_id text NOT NULL);
CREATE TABLE sessions (session_token text PRIMARY KEY, user_id text NOT NULL REFERENCES users (id), expires timestamp NOT NULL);
INSERT INTO accounts VALUES ('a1', 'clh2k3v9x0000qz8r5b1c7d2e', 'oauth', 'google', '10769150350006150715113082367');
