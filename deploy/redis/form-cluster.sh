#!/bin/sh
# Makes six Redis nodes one Cluster; where they are one already, tells them each other's new addresses.
set -eu

nodes="redis-cluster-1 redis-cluster-2 redis-cluster-3 redis-cluster-4 redis-cluster-5 redis-cluster-6"
address() { getent hosts "$1" | awk '{ print $1; exit }'; }
state() { redis-cli -h "$1" cluster info | tr -d '\r' | sed -n 's/^cluster_state://p'; }
known() { redis-cli -h redis-cluster-1 cluster info | tr -d '\r' | sed -n 's/^cluster_known_nodes://p'; }

list=""
for node in $nodes; do list="$list $(address "$node"):6379"; done
if [ "$(known)" -le 1 ]; then
  # Word splitting makes six arguments of it.
  # shellcheck disable=SC2086
  redis-cli --cluster create $list --cluster-replicas 1 --cluster-yes
else
  for node in $nodes; do redis-cli -h redis-cluster-1 cluster meet "$(address "$node")" 6379; done
fi
tries=0
for node in $nodes; do
  until [ "$(state "$node")" = ok ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 120 ] || { echo "$node does not become part of the cluster" >&2; exit 1; }
    sleep 0.5
  done
done
echo "the cluster is formed"
