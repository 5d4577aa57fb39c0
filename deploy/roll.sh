#!/bin/sh
# Replaces the nodes one by one by those of the image as it is now: a new one comes, an old one drains and goes.
set -eu

old=$(docker compose ps --quiet hubbub)
count=$(echo "$old" | wc -l)
for node in $old; do
  docker compose up --detach --wait --no-deps --no-recreate --scale hubbub=$((count + 1)) hubbub
  # It moves its people and ends by itself; 60 s is more than it takes (drain.deadline is 30 s).
  docker stop --time 60 "$node"
  docker rm "$node"
done
docker compose ps hubbub
