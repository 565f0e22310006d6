#!/bin/bash
# Loads a backup into a Redis with nothing but zstd, jq and redis-cli: strings, hashes, lists, sets
# and sorted sets of text, with their expiry; they replace what is there. Other keys are left out.
#   without-tidemark.sh REPOSITORY/sources/SOURCE/data/BACKUP [options of redis-cli: -p 6380 …]
set -euo pipefail
folder=$1
shift
find "$folder" -name '*.jsonl.zst' ! -name instance.jsonl.zst -exec zstd -dcq {} + | jq -j '
  def text: tostring | if startswith("text:") then .[5:] else . end | "$\(utf8bytelength)\r\n\(.)\r\n";
  def command: "*\(length)\r\n", (.[] | text);
  def isText: [.key, (.value | .., (objects | keys[]) | strings)] | all(startswith("base64:") | not);
  select(.part == null and (.type | IN("string", "list", "set", "hash", "zset")) and isText)
  | ["SELECT", .db], ["DEL", .key],
    if .type == "string" then ["SET", .key, .value]
    elif .type == "list" then ["RPUSH", .key] + .value
    elif .type == "set" then ["SADD", .key] + .value
    elif .type == "hash" then ["HSET", .key] + [.value | to_entries[] | .key, .value]
    else ["ZADD", .key] + [.value | to_entries[] | .value, .key] end,
    if .expireAt then ["PEXPIREAT", .key, .expireAt] else empty end | command' | redis-cli "$@" --pipe
