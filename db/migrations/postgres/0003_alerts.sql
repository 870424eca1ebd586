-- Holds the number until the alerts' own migration is merged.
DO $placeholder$ BEGIN END $placeholder$;
