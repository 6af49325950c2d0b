-- Asks neglist about a request, for haproxy.cfg. Sets `txn.neglist` to `allowed`, or answers by itself, or does nothing.

local URL = "http://127.0.0.1:8080/v1/forward-auth"
local TIMEOUT_MS = 2000
-- What fits into one of HAProxy's buffers beside the headers.
local BODY_BYTES_MAX = 12000
-- What belongs to the client's connection or body and not to the question.
local LEFT_OUT = {
  ["connection"] = true, ["content-length"] = true, ["transfer-encoding"] = true, ["host"] = true, ["expect"] = true,
  ["upgrade"] = true, ["te"] = true, ["trailer"] = true, ["keep-alive"] = true, ["proxy-connection"] = true,
}

local function first(headers, name)
  local values = headers and headers[name]
  return values and (values[0] or values[1]) or ""
end

local function question(txn)
  local headers = {}
  for name, values in pairs(txn.http:req_get_headers()) do
    if not LEFT_OUT[name] then
      -- Values count from 0, and the client wants them from 1. All of them: neglist refuses a label that is there twice.
      local list = {}
      for _, value in pairs(values) do list[#list + 1] = value end
      headers[name] = list
    end
  end
  headers["x-original-method"] = { txn.f:method() }
  headers["x-original-uri"] = { txn.f:pathq() }
  headers["x-original-host"] = { txn.f:req_fhdr("host") }
  return headers
end

core.register_action("neglist", { "http-req" }, function(txn)
  local client = core.httpclient()
  local asked, answer = pcall(function()
    return client:get{ url = URL, headers = question(txn), timeout = TIMEOUT_MS }
  end)
  if not asked or not answer then return end
  local outcome = first(answer.headers, "x-neglist-outcome")
  -- Any web server can answer 200; neglist also states its decision.
  if answer.status == 200 and (outcome == "allow" or outcome == "no-transfer") then
    txn:set_var("txn.neglist", "allowed")
  elseif answer.status == 403 and outcome ~= "" then
    local body = answer.body or ""
    if #body > BODY_BYTES_MAX then body = '{"outcome":"' .. outcome .. '"}' end
    local reply = txn:reply{ status = 403, reason = "Forbidden", body = body }
    reply:add_header("content-type", "application/json")
    reply:add_header("cache-control", "no-store")
    reply:add_header("x-neglist-outcome", outcome)
    reply:add_header("x-neglist-reason", first(answer.headers, "x-neglist-reason"))
    txn:done(reply)
  elseif answer.status == 400 or answer.status == 431 then
    -- The request cannot be asked about: control characters, or too many headers. That is the client's fault and no outage.
    local reply = txn:reply{ status = answer.status, reason = "Refused", body = '{"outcome":"refused"}' }
    reply:add_header("content-type", "application/json")
    reply:add_header("cache-control", "no-store")
    txn:done(reply)
  end
end, 0)
