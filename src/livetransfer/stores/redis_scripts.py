"""Scripts of the Redis store: the steps of `Ledger` in Lua, each atomic, by the server's clock."""

from __future__ import annotations

import hashlib

from .store_rules import AUTOPAUSE, MEMORY, REMEMBERED

__all__ = [
    "AMEND",
    "COUNT",
    "JOIN",
    "LEAVE",
    "PAUSE",
    "RELEASE",
    "RENEW",
    "RESUME",
    "SNAPSHOT",
    "TAKE",
    "Script",
]


class Script:
    """A script and what names it on a server that knows it."""

    def __init__(self, *parts: str) -> None:
        self.text = "\n".join(parts)
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


_CLOCK = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
"""

# The members are documents (documents.py); a place is one without its members, which stand beside
# it as names between zero bytes, so that a script need not take them apart.
_TEAM = (
    _CLOCK
    + """
local MEMBERS, FACTS, PLACES, WANTS = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

local function version()
  return tonumber(redis.call('HGET', FACTS, 'version') or '0')
end

local function moved()
  local new = redis.call('HINCRBY', FACTS, 'version', 1)
  redis.call('PUBLISH', FACTS, new)
  return new
end

local function member(name)
  local document = redis.call('HGET', MEMBERS, name)
  return document and cjson.decode(document) or {}
end

local function keep(name, state)
  if state.h and #state.h == 0 then state.h = nil end
  if state.x and #state.x == 0 then state.x = nil end
  redis.call('HSET', MEMBERS, name, cjson.encode(state))
end

local function put(name, state)
  state.v = moved()
  keep(name, state)
end

local function sweep(state)
  local alive = {}
  for _, held in ipairs(state.h or {}) do
    if held.u > now then
      alive[#alive + 1] = held
    elseif held.p == 'talking' then
      state.e = math.max(held.u, state.e or 0)
    end
  end
  state.h = alive
end

local function is_free(state, capacity)
  if state.z and not (state.zu and state.zu <= now) then return false end
  local alive = 0
  for _, held in ipairs(state.h or {}) do
    if held.u > now then alive = alive + 1 end
  end
  return alive < capacity
end

local function place(call)
  local document = redis.call('HGET', PLACES, call)
  return document and cjson.decode(document) or nil
end

local function own_place(ticket)
  local found = place(ticket.call)
  if found and found.u > now then return found end
  return {c = ticket.call, q = ticket.queue, p = ticket.priority, s = now - ticket.waited,
          n = version() + 1, u = now, w = true}
end

local function before(one, other)
  if one.p ~= other.p then return one.p > other.p end
  if one.s ~= other.s then return one.s < other.s end
  return one.n < other.n
end

local function line()
  local all, found = redis.call('HVALS', PLACES), {}
  for _, document in ipairs(all) do
    local each = cjson.decode(document)
    if each.w and each.u > now then found[#found + 1] = each end
  end
  table.sort(found, before)
  return found
end

local function many(key, names)
  local found = {}
  for first = 1, #names, 1000 do
    local last = math.min(first + 999, #names)
    local part = redis.call('HMGET', key, unpack(names, first, last))
    for i = 1, #part do found[first + i - 1] = part[i] end
  end
  return found
end
"""
)

SNAPSHOT = Script(
    _TEAM,
    """
local queue, names = ARGV[1], cjson.decode(ARGV[2])
local waiting, documents = {}, many(MEMBERS, names)
for i, each in ipairs(line()) do waiting[i] = cjson.encode(each) end
for i = 1, #names do documents[i] = documents[i] or '' end
-- One line each: a client takes long to read an answer of many parts.
return {version(), now, table.concat(documents, '\\n'), table.concat(waiting, '\\n'),
        redis.call('HGET', FACTS, 'cursor:' .. queue),
        redis.call('HGET', FACTS, 'handling:' .. queue)}
""",
)

TAKE = Script(
    _TEAM,
    """
local ask = cjson.decode(ARGV[1])
if ask.again then
  local names, mine, since = {}, {}, 0
  for _, group in ipairs(ask.groups) do
    for _, name in ipairs(group) do names[#names + 1] = name end
  end
  for _, document in ipairs(many(MEMBERS, names)) do
    if document and string.find(document, ask.lease, 1, true) then
      for _, name in ipairs(names) do
        for _, held in ipairs(member(name).h or {}) do
          if held.i == ask.lease then mine[#mine + 1] = name; since = held.s end
        end
      end
      if #mine > 0 then return {'taken', since, mine} end
    end
  end
end
local own, ahead = own_place(ask), {}
for _, each in ipairs(line()) do
  if each.c ~= ask.call and before(each, own) then
    ahead[#ahead + 1] = redis.call('HGET', WANTS, each.c) or ''
  end
end
local function nobody_ahead(name)
  for _, wants in ipairs(ahead) do
    if string.find(wants, '\\0' .. name .. '\\0', 1, true) then return false end
  end
  return true
end
local taken, states = {}, {}
for _, group in ipairs(ask.groups) do
  for _, name in ipairs(group) do
    if not states[name] then
      states[name] = member(name)
      if is_free(states[name], ask.capacities[name] or 1) and nobody_ahead(name) then
        if ask.version and (states[name].v or 0) > ask.version then return {'stale'} end
        taken[#taken + 1] = name
      end
    end
  end
  if #taken > 0 then break end
end
if #taken == 0 then return {'nobody'} end
for _, name in ipairs(taken) do
  local state = states[name]
  sweep(state)
  state.h[#state.h + 1] = {i = ask.lease, c = ask.call, q = ask.queue, p = 'ringing',
                           s = now, u = now + ask.ttl}
  state.r = now
  put(name, state)
end
local turn = ask.turns[taken[1]] or ask.queue
if turn ~= '' then redis.call('HSET', FACTS, 'cursor:' .. turn, taken[1]) end
if place(ask.call) then
  own.w, own.u = false, now + ask.ttl
  redis.call('HSET', PLACES, ask.call, cjson.encode(own))
end
return {'taken', now, taken}
""",
)

RENEW = Script(
    _TEAM,
    """
local ask = cjson.decode(ARGV[1])
local state = member(ask.member)
for _, gone in ipairs(state.x or {}) do
  if gone == ask.lease then return 0 end
end
local mine
for _, held in ipairs(state.h or {}) do
  if held.i == ask.lease then mine = held end
end
local first, changed = false, false
if not mine or mine.u <= now then
  sweep(state)
  if #state.h >= ask.capacity then return 0 end
  first = ask.phase == 'talking' and (not mine or mine.p == 'ringing')
  changed = true
  state.h[#state.h + 1] = {i = ask.lease, c = ask.call, q = ask.queue, p = ask.phase,
                           s = ask.since, u = now + ask.ttl}
else
  first = ask.phase == 'talking' and mine.p == 'ringing'
  changed = mine.p ~= ask.phase
  mine.p, mine.u = ask.phase, now + ask.ttl
end
if first then
  state.n, state.m = (state.n or 0) + 1, nil
end
if changed then put(ask.member, state) else keep(ask.member, state) end
return 1
""",
)

RELEASE = Script(
    _TEAM,
    f"local REMEMBERED, MEMORY, AUTOPAUSE = {REMEMBERED}, {MEMORY}, '{AUTOPAUSE}'",
    """
local ask = cjson.decode(ARGV[1])
local state = member(ask.member)
local mine, others = nil, {}
for _, held in ipairs(state.h or {}) do
  if held.i == ask.lease then mine = held else others[#others + 1] = held end
end
if not mine then return 0 end
local gone = state.x or {}
gone[#gone + 1] = ask.lease
while #gone > REMEMBERED do table.remove(gone, 1) end
state.x = gone
if ask.talked then
  if ask.wrap_up > 0 and mine.u > now then
    others[#others + 1] = {i = '', c = mine.c, q = mine.q, p = 'wrap_up', s = mine.s,
                           u = now + ask.wrap_up}
  end
  state.e = now
  local key, mean, calls = 'handling:' .. mine.q, 0, 0
  local found = redis.call('HGET', FACTS, key)
  if found then
    local space = string.find(found, ' ', 1, true)
    mean, calls = tonumber(string.sub(found, 1, space - 1)), tonumber(string.sub(found, space + 1))
  end
  calls = math.min(calls + 1, MEMORY)
  mean = mean + (now - mine.s + ask.wrap_up - mean) / calls
  redis.call('HSET', FACTS, key, string.format('%.3f %d', mean, calls))
end
if ask.answered == true then
  state.m = nil
elseif ask.answered == false then
  state.m = (state.m or 0) + 1
  if ask.autopause_after and state.m >= ask.autopause_after then
    state.z, state.zu, state.m = AUTOPAUSE, nil, nil
    if ask.autopause_for then state.zu = now + ask.autopause_for end
  end
end
state.h = others
sweep(state)
put(ask.member, state)
return 1
""",
)

JOIN = Script(
    _TEAM,
    """
local ask = cjson.decode(ARGV[1])
if ask.stay then
  local found = place(ask.call)
  if found and not found.w then return 0 end
  if found and found.u > now then
    found.u = now + ask.ttl
    redis.call('HSET', PLACES, ask.call, cjson.encode(found))
    redis.call('HSET', WANTS, ask.call, ARGV[2])
    return 1
  end
end
local own = own_place(ask)
local all = redis.call('HVALS', PLACES)
for _, document in ipairs(all) do
  local each = cjson.decode(document)
  if each.u <= now then
    redis.call('HDEL', PLACES, each.c)
    redis.call('HDEL', WANTS, each.c)
  end
end
own.q, own.p, own.s = ask.queue, ask.priority, math.min(own.s, now - ask.waited)
own.u, own.w = now + ask.ttl, true
redis.call('HSET', PLACES, ask.call, cjson.encode(own))
redis.call('HSET', WANTS, ask.call, ARGV[2])
moved()
return 1
""",
)

LEAVE = Script(
    _TEAM,
    """
if redis.call('HDEL', PLACES, ARGV[1]) == 1 then
  redis.call('HDEL', WANTS, ARGV[1])
  moved()
end
return 1
""",
)

PAUSE = Script(
    _TEAM,
    """
local ask = cjson.decode(ARGV[1])
local state = member(ask.member)
state.z, state.zu = ask.reason, nil
if ask.seconds then state.zu = now + ask.seconds end
put(ask.member, state)
return 1
""",
)

RESUME = Script(
    _TEAM,
    """
local state = member(ARGV[1])
state.z, state.zu, state.m = nil, nil, nil
put(ARGV[1], state)
return 1
""",
)

# Of each key: when its entries end (a sorted set), their amounts (a hash).
_COUNTED = (
    _CLOCK
    + """
local function sweep(ends, amounts)
  local over = redis.call('ZRANGEBYSCORE', ends, '-inf', now)
  for _, entry in ipairs(over) do redis.call('HDEL', amounts, entry) end
  if #over > 0 then redis.call('ZREMRANGEBYSCORE', ends, '-inf', now) end
end
"""
)

COUNT = Script(
    _COUNTED,
    """
local asks = cjson.decode(ARGV[2])
if #asks > 0 and redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 then return 0 end
for i, ask in ipairs(asks) do
  local ends, amounts = KEYS[2 * i - 1], KEYS[2 * i]
  sweep(ends, amounts)
  local sum = 0
  for _, amount in ipairs(redis.call('HVALS', amounts)) do sum = sum + tonumber(amount) end
  if sum + ask.amount > ask.limit then return i end
end
for i, ask in ipairs(asks) do
  local ends, amounts = KEYS[2 * i - 1], KEYS[2 * i]
  redis.call('ZADD', ends, now + ask.ms, ARGV[1])
  redis.call('HSET', amounts, ARGV[1], tostring(ask.amount))
  local last = tonumber(redis.call('ZRANGE', ends, -1, -1, 'WITHSCORES')[2])
  redis.call('PEXPIREAT', ends, last)
  redis.call('PEXPIREAT', amounts, last)
end
return 0
""",
)

AMEND = Script(
    _COUNTED,
    """
sweep(KEYS[1], KEYS[2])
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 then
  if tonumber(ARGV[2]) == 0 then
    redis.call('HDEL', KEYS[2], ARGV[1])
    redis.call('ZREM', KEYS[1], ARGV[1])
  else
    redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
  end
end
return 1
""",
)
