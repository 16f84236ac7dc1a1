-- SPDX-License-Identifier: BSD-2-Clause
-- For wrk: the pages of examples/webapp in turn, the report more often.
local pages = { "/report", "/search", "/report", "/download", "/thumbnail", "/report", "/download" }
local at = 0

function request()
	at = at % #pages + 1
	return wrk.format("GET", pages[at])
end
