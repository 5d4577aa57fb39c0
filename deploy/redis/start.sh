#!/bin/sh
# Starts what a Redis container of docker-compose.yml is for: primary, replica, sentinel or cluster.
set -eu

role=${1:?primary, replica, sentinel or cluster}
name=$(hostname)
set -- /etc/redis/redis.conf --maxmemory "${REDIS_MAXMEMORY:-0}"

case $role in
  primary | replica)
    # What may become the other at a failover is known by its name: its address changes.
    set -- "$@" --replica-announce-ip "$name" \
      --min-replicas-to-write "${REDIS_MIN_REPLICAS:-0}" --min-replicas-max-lag 5
    [ "$role" = primary ] || set -- "$@" --replicaof redis 6379
    ;;
  cluster)
    set -- "$@" --cluster-enabled yes --cluster-node-timeout 5000
    ;;
  sentinel)
    # Sentinel writes what it learns into its own file, and finds it again after a restart.
    if [ ! -e /data/sentinel.conf ]; then
      { cat /etc/redis/sentinel.conf; echo "sentinel announce-ip $name"; } > /data/sentinel.new
      mv /data/sentinel.new /data/sentinel.conf
    fi
    exec redis-server /data/sentinel.conf --sentinel
    ;;
  *)
    echo "$role is not primary, replica, sentinel or cluster" >&2
    exit 2
    ;;
esac
exec redis-server "$@"
