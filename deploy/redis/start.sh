#!/bin/sh
# Starts what a Redis container of docker-compose.yml is for: primary, replica, sentinel or cluster.
set -eu

here=$(dirname "$0")
ADMIN=${REDIS_ADMIN_FILE:-/data/admin.password}
REDIS_MIN_REPLICAS=${REDIS_MIN_REPLICAS:-0}
role=${1:?primary, replica, sentinel or cluster}
shift
name=$(hostname)
set -- "$here/redis.conf" --maxmemory "${REDIS_MAXMEMORY:-0}" "$@"

case $role in
  primary | replica)
    # What may become the other at a failover is known by its name: its address changes.
    set -- "$@" --replica-announce-ip "$name" \
      --min-replicas-to-write "$REDIS_MIN_REPLICAS" --min-replicas-max-lag 5
    [ "$role" = primary ] || set -- "$@" --replicaof redis 6379
    ;;
  cluster)
    set -- "$@" --cluster-enabled yes --cluster-node-timeout 5000
    ;;
  sentinel)
    # Sentinel writes what it learns into its own file, and finds it again after a restart.
    if [ ! -e /data/sentinel.conf ]; then
      { cat "$here/sentinel.conf"; echo "sentinel announce-ip $name"; } > /data/sentinel.new
      mv /data/sentinel.new /data/sentinel.conf
    fi
    exec redis-server /data/sentinel.conf --sentinel
    ;;
  *)
    echo "$role is not primary, replica, sentinel or cluster" >&2
    exit 2
    ;;
esac

# One alone: who comes without a password may do what a node does, and watch. Who administers it has a
# password, made at the first start, in the volume that only Redis sees (admin.sh). Redis servers and
# Sentinels that speak with each other need more: there, give the nodes a user, as docs/operations.md says.
if [ "$role$REDIS_MIN_REPLICAS" = primary0 ]; then
  umask 077
  [ -s "$ADMIN" ] || head -c 32 /dev/urandom | sha256sum | cut -d' ' -f1 > "$ADMIN"
  exec redis-server "$@" - <<RULES
user default on nopass $(grep -v '^#' "$here/node.acl" | tr '\n' ' ') +client|setname +slowlog|len +latency|latest
user admin on >$(cat "$ADMIN") ~* &* +@all
RULES
fi
exec redis-server "$@"
