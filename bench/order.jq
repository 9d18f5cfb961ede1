# All arrays of match.jq in, the CSV out. unique_by keeps the first.
[inputs] | sort_by(.[0]) | unique_by(.[1]) | sort_by(.[0])
| ["Message ID", "Conversation ID", "Conversation Name", "Device ID", "Session ID", "Question Id", "Question Type", "Question Title",
   "Question Description", "Question Duration", "Question Score", "Question Max Score", "Question Options", "Question Response", "X Path",
   "Eof", "Timestamp"], .[][2]
| @csv
