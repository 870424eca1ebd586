-- Go with gorm: soft delete, times that gorm sets.
CREATE TABLE users (
    id bigserial PRIMARY KEY,
    created_at timestamptz,
    updated_at timestamptz,
    deleted_at timestamptz,
    clerk_id text NOT NULL,
    name text,
    email text,
    avatar_url text,
    phone_number text
);
CREATE INDEX idx_users_deleted_at ON users (deleted_at);
CREATE UNIQUE INDEX idx_users_clerk_id ON users (clerk_id);
CREATE TABLE orders (id bigserial PRIMARY KEY, user_id bigint REFERENCES users (id), total numeric(10, 2));
