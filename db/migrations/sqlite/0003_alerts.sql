-- Holds the number until the alerts' own migration is merged.
SELECT 1;
