#!/bin/bash
# Loads the strings, hashes, lists, sets and sorted sets of a backup into a Redis, with nothing but
# zstd, jq and redis-cli:  without-tidemark.sh FOLDER-OF-THE-BACKUP [redis-cli options]
# FOLDER is <repo>/sources/<source>/data/<backup>. For texts (base64: values are skipped) up to a
# mebibyte: a longer key comes in parts. The databases must exist; keys that exist are added to.
set -euo pipefail
folder=$1; shift
find "$folder" -name '*.jsonl.zst' ! -name instance.jsonl.zst -print0 | sort -z |
  xargs -0 zstd -dcq | jq -r '
  def text: if startswith("text:") then .[5:] else . end;
  def word: tojson | gsub("\\\\u(?<a>..)(?<b>..)"; "\\x\(.a)\\x\(.b)") | gsub("\\\\x00\\\\x"; "\\x");
  def line: map(tostring | text | word) | join(" ");
  select(.part == null and ([.key, (.value | .. | strings)] | all(startswith("base64:") | not)))
  | ["SELECT", .db], (.key as $k | .value as $v | {
      string: ["SET", $k, $v], list: (["RPUSH", $k] + [$v | arrays | .[]]),
      set: (["SADD", $k] + [$v | arrays | .[]]), hash: (["HSET", $k] + [$v | objects | to_entries[] | .key, .value]),
      zset: (["ZADD", $k] + [$v | arrays | .[] | arrays | .[1], .[0]]) }[.type] // empty),
    (select(.expireAt) | ["PEXPIREAT", .key, .expireAt]) | line' | redis-cli "$@" > /dev/null
