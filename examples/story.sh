#!/usr/bin/env bash
# Reads output events, one JSON a line, and tells them one sentence each. Times are UTC.
exec awk '
# A field of the event: the first of that name, what is in "lots" left aside.
function field(name,    at, rest) {
  at = index(event, "\"" name "\":")
  if (!at) return ""
  rest = substr(event, at + length(name) + 3)
  if (substr(rest, 1, 1) == "\"") { rest = substr(rest, 2); sub(/".*/, "", rest) }
  else sub(/[,}].*/, "", rest)
  return rest == "null" ? "" : rest
}
function moment(text) { return substr(text, 1, 10) " " substr(text, 12, 5) }
function points(sign) { return sprintf("%s%s points", sign, field("points")) }
function balance() { return ", balance " field("balance_after") }
{
  event = $0
  gsub(/"lots":\[[^]]*\]/, "", event)
  type = field("type"); why = field("reason"); order = field("order_id")
  who = field("member_id"); if (who == "") who = "a guest"
  told = type
  if (type == "points-issued") {
    told = points("+") balance() (field("expires_at") == "" ? "" : ", good until " moment(field("expires_at")))
  } else if (type == "points-pending") told = points("") " to come on " moment(field("due_at"))
  else if (type == "points-withheld") told = "no points"
  else if (type == "points-expired" || type == "points-redeemed" || type == "points-revoked" || type == "points-adjusted")
    told = points("-") balance()
  else if (type == "points-returned") told = points("+") balance()
  else if (type == "points-expiring") told = points("") " will go on " moment(field("expires_at"))
  printf "%s  %-8s %-15s %-10s %s%s\n", moment(field("time")), who, substr(type, 8), why, told, order == "" ? "" : "  (" order ")"
}'
