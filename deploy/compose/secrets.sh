#!/bin/sh
# Makes the files that compose.yaml hands to the containers, in secrets/ beside it. What is there stays as it is, so that it
# may be run again, and a secret is replaced by removing its file first.
#
#   ./secrets.sh        asks for Clerk's secret key, or takes $CLERK_SECRET_KEY
#   ./secrets.sh sim    takes a key that only the simulated Clerk accepts
set -eu
cd "$(dirname "$0")"
mkdir -p secrets
# Nobody else gets into the folder. The files themselves are readable: compose mounts them as they are, and the containers
# run as users of their own.
chmod 700 secrets
umask 022

random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
keep() { # keep NAME VALUE: writes it where there is none
	if [ ! -e "secrets/$1" ]; then
		printf '%s' "$2" >"secrets/$1"
		echo "secrets: made secrets/$1"
	fi
}

if [ ! -e secrets/clerk_secret_key ]; then
	key=${CLERK_SECRET_KEY:-}
	if [ "${1:-}" = sim ]; then
		key=sk_test_simulated
	elif [ -z "$key" ]; then
		printf "Clerk's secret key (sk_...), from its dashboard, API keys: " >&2
		read -r key
	fi
	keep clerk_secret_key "$key"
fi
keep rollcall_admin_token "$(random)"
keep postgres_password "$(random)"
keep database_url "postgres://app:$(cat secrets/postgres_password)@postgres:5432/app?sslmode=disable"
# Empty until there is an endpoint in Clerk's dashboard, Webhooks: Rollcall then receives none.
keep clerk_webhook_signing_secret "${CLERK_WEBHOOK_SIGNING_SECRET:-}"
# Empty as well, until somebody wants them: a token that may look and not act, a cache that replicas share, an endpoint that
# is told of inserted users, whom alerts are told.
keep rollcall_viewer_token "${ROLLCALL_VIEWER_TOKEN:-}"
keep redis_url "${REDIS_URL:-}"
keep rollcall_hooks_signing_secret "${ROLLCALL_HOOKS_SIGNING_SECRET:-}"
keep rollcall_hooks_inserted_url "${ROLLCALL_HOOKS_INSERTED_URL:-}"
keep slack_webhook_url "${SLACK_WEBHOOK_URL:-}"
keep alert_webhook_url "${ALERT_WEBHOOK_URL:-}"
