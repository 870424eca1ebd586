-- Supabase: Clerk's id is the primary key, row-level security, a trigger that keeps updated_at, and Supabase's own
-- auth.users beside it, which is not the app's.
CREATE SCHEMA auth;
CREATE TABLE auth.users (id uuid PRIMARY KEY, email varchar(255), phone text UNIQUE, raw_user_meta_data jsonb);
CREATE TABLE auth.identities (id uuid PRIMARY KEY, provider_id text NOT NULL, user_id uuid NOT NULL REFERENCES auth.users (id), UNIQUE (provider_id));
CREATE TABLE public.profiles (
    clerk_id text PRIMARY KEY,
    email text,
    full_name text,
    avatar_url text,
    onboarded boolean NOT NULL DEFAULT false,
    metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE public.profiles ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON public.profiles USING (clerk_id = current_setting('request.jwt.claim.sub', true));
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated_at := now(); RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE UPDATE ON public.profiles FOR EACH ROW EXECUTE FUNCTION touch();
