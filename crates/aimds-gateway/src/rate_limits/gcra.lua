-- The generic cell rate algorithm for several limits at once: in the order of the keys, up to the first that refuses.
-- KEYS: one for each limit. ARGV: the window and one request's share of it, in nanoseconds, for each.
-- `now` is set before this: microseconds of this server's clock.
--
-- A value is "<now> <used>": so many nanoseconds of the window were used then. Relative to a time of microseconds all numbers
-- stay below 2^53, so that Lua counts exactly.
--
-- Answers for each limit that was asked: what is used now, or, as a negative number, the time until there is room.
local answers = {}
for place, key in ipairs(KEYS) do
    local window, share = tonumber(ARGV[2 * place - 1]), tonumber(ARGV[2 * place])
    local used = 0
    local at, before = string.match(redis.call('GET', key) or '', '^(%d+) (%d+)$')
    at = tonumber(at)
    if at then
        -- The window may have become smaller since.
        used = math.min(tonumber(before), window)
        -- A clock that was set back gives nothing back and takes nothing: it counts on from where it is.
        used = math.max(0, used - math.max(0, now - at) * 1000)
    end
    local room = window - used - share
    if room >= 0 then
        used = used + share
    end
    if room >= 0 or at > now then
        redis.call('SET', key, string.format('%.0f %.0f', now, used), 'PX', math.max(1, math.ceil(used / 1e6)))
    end
    if room < 0 then
        answers[place] = room
        break
    end
    answers[place] = used
end
return answers
