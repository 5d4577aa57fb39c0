#!/bin/sh
# redis-cli with all rights, in the container of a Redis that is alone: docker compose exec redis /etc/redis/admin.sh
set -eu
REDISCLI_AUTH=$(cat "${REDIS_ADMIN_FILE:-/data/admin.password}") exec redis-cli --user admin "$@"
