"""What Redis does in one step, in Lua: the writing and removing of an entry with its frames, and of its place in the
index. Each script holds keys of one hash tag only (``keys``).

A version is the time of its writing in microseconds, or one more than the version before.
"""

from __future__ import annotations

_TELL = """
local function tell(entry)  -- those who follow it
  local channel = string.gsub(entry, ':entry$', ':news')
  redis.call('PUBLISH', channel, '')
end
"""

_KEEP = """
local function keep(key, ms)  -- at least that long
  if redis.call('PTTL', key) < tonumber(ms) then redis.call('PEXPIRE', key, ms) end
end
"""

ONLY = """
local function only(key, kind)  -- what stands there as another kind is none of ours
  local found = redis.call('TYPE', key).ok
  if found ~= 'none' and found ~= kind then redis.call('UNLINK', key) end
end
"""

# Not a transaction: where memory is full Redis refuses to queue even what only reads.
READ = """
-- entry, frames → names and values of the entry's fields, batches of frames
return {redis.call('HGETALL', KEYS[1]), redis.call('XRANGE', KEYS[2], '-', '+')}
"""

WRITE = f"""{_TELL}{ONLY}
-- entry, frames, deleted; expected version, '' or 'lost', ms to live, frames ('' leaves them as they are), '1' if it
-- has ended, names and values of the other fields → its version; nil: it is not as expected
local entry, frames, expected, ms, joined, ended = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
if expected == 'lost' then
  if ms <= 0 or redis.call('EXISTS', entry, KEYS[3]) > 0 then return false end
  expected = ''
end
only(entry, 'hash')
only(frames, 'stream')
local had = redis.call('HGET', entry, 'version')
if expected ~= '' and had ~= expected then return false end
local now = redis.call('TIME')
local version = string.format('%.0f', math.max(now[1] * 1000000 + now[2], (tonumber(had) or 0) + 1))
if ms <= 0 then
  redis.call('UNLINK', entry, frames)
  return version
end
redis.call('HSET', entry, 'version', version, unpack(ARGV, 5))
redis.call('PEXPIRE', entry, ms)

local function append()  -- what the stream does not have: those who follow it read on
  local parts, closed = {{}}, false
  for _, batch in ipairs(redis.call('XRANGE', frames, '-', '+')) do
    for at = 1, #batch[2], 2 do
      if batch[2][at] == 'f' then parts[#parts + 1] = batch[2][at + 1] end
      if batch[2][at] == 'end' then closed = true end
    end
  end
  local before = table.concat(parts)
  if closed and before == joined then return end
  if closed or before == '' or string.sub(joined, 1, #before) ~= before then
    redis.call('UNLINK', frames)
    before = ''
  end
  local count, at = 0, 1
  while at <= #before do
    local length, start = struct.unpack('>I4', before, at)
    count, at = count + 1, start + length
  end
  local rest = string.sub(joined, #before + 1)
  if ended == '1' then
    redis.call('XADD', frames, (count + 1) .. '-0', 'f', rest, 'end', '1')
  elseif rest ~= '' then
    redis.call('XADD', frames, (count + 1) .. '-0', 'f', rest)
  end
end

if joined ~= '' then append() elseif ended == '1' then redis.call('UNLINK', frames) end
redis.call('PEXPIRE', frames, ms)
tell(entry)
return version
"""

REMOVE = f"""{_TELL}
-- entry, frames, deleted; version or '', ms for which it must not come back or '' → its items; nil: it is not there, or
-- as another version
local items = ''
if redis.call('TYPE', KEYS[1]).ok == 'hash' then
  local version, had = unpack(redis.call('HMGET', KEYS[1], 'version', 'items'))
  if ARGV[1] ~= '' and version ~= ARGV[1] then return false end
  items = had or ''
end
local gone = redis.call('UNLINK', KEYS[1], KEYS[2])  -- first: after that a full memory refuses nothing
if ARGV[2] ~= '' then redis.call('SET', KEYS[3], '', 'PX', ARGV[2]) end
if gone == 0 then return false end
tell(KEYS[1])
return items
"""

ADD_ITEMS = f"""{_KEEP}{ONLY}
-- items; id of the entry, ms to live
for _, item in ipairs(KEYS) do
  only(item, 'set')
  redis.call('SADD', item, ARGV[1])
  keep(item, ARGV[2])
end
"""

_INDEX = f"""{_KEEP}{ONLY}
-- order, created, sizes; since, count, bytes → bytes of all, then names and versions of what has to go, 200 at most
local order, created, sizes = unpack(KEYS)
local function members() return redis.call('ZCARD', order) end
local function size(member) return tonumber(redis.call('HGET', sizes, member) or 0) end
only(order, 'zset')
only(created, 'zset')
only(sizes, 'hash')
local whole = redis.call('HLEN', sizes) - redis.call('HEXISTS', sizes, '')
local total = redis.call('HGET', sizes, '') or '0'
if members() ~= whole or members() ~= redis.call('ZCARD', created) or not string.match(total, '^-?%d+$') then
  redis.call('UNLINK', order, created, sizes)  -- Redis has evicted one of them, or it is damaged
end
local function forget(member)
  local bytes = size(member) or 0
  redis.call('HDEL', sizes, member)  -- first: after that a full memory refuses nothing
  redis.call('HINCRBY', sizes, '', string.format('%.0f', 0 - bytes))
  redis.call('ZREM', order, member)
  redis.call('ZREM', created, member)
end
local function what_has_to_go()
  local count, bytes = members(), size('')
  local answer, gone = {{bytes}}, {{}}
  local function take(member)
    gone[member] = true
    count, bytes = count - 1, bytes - (size(member) or 0)
    answer[#answer + 1] = member
    answer[#answer + 1] = redis.call('ZSCORE', order, member)
  end
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', created, '-inf', '(' .. ARGV[1], 'LIMIT', 0, 100)) do
    take(member)
  end
  for _, member in ipairs(redis.call('ZRANGE', order, 0, 99)) do
    if count <= tonumber(ARGV[2]) and bytes <= tonumber(ARGV[3]) then break end
    if not gone[member] then take(member) end
  end
  return answer
end
"""

ADD = f"""{_INDEX}
-- …; name, version, created, size, ms to live
local member, version, born, size, ms = unpack(ARGV, 4)
if tonumber(redis.call('ZSCORE', order, member) or 0) <= tonumber(version) then
  forget(member)
  redis.call('HSET', sizes, member, size)
  redis.call('HINCRBY', sizes, '', size)
  redis.call('ZADD', order, version, member)
  redis.call('ZADD', created, born, member)
  for _, key in ipairs(KEYS) do keep(key, ms) end
end
return what_has_to_go()
"""

DROP = f"""{_INDEX}
-- …; names and versions: up to these they are forgotten
for at = 4, #ARGV, 2 do
  local version = redis.call('ZSCORE', order, ARGV[at])
  if version and tonumber(version) <= tonumber(ARGV[at + 1]) then forget(ARGV[at]) end
end
return what_has_to_go()
"""
