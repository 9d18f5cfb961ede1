# One event in, at most one array out: what events are ordered by, what tells them apart, and the row.
def text: if . == null then "" else tostring end;
def number: if type == "number" then . + 0 | tostring else text end;
def json: if . == null then "" else tojson end;
def utc: (. / 1000 | floor | strftime("%Y-%m-%dT%H:%M:%S")) + "." + (. % 1000 + 1000 | tostring[1:]) + "Z";

select(.eid == "ASSESS" and .context.channel == $channel
  and any(.context.cdata[]?; .type == "Conversation" and .id == $conversation))
| .context as $c | .edata as $e | (.ets + 0) as $ets
| $devices[$c.did | ascii_downcase] as $refused
| select($refused != null)
| (if (.["@timestamp"] // "") != "" then .["@timestamp"] else $ets | utc end) as $time
| [[$time, .mid, $c.did, $ets, $e.duration, $e.item.desc, $e.item.id],
   [.mid, ($c.did | ascii_downcase), $ets, $e],
   [.mid, $conversation, $name, $c.did, (if ($c.sid // "") != "" then $c.sid else $c.rollup.l5 end | text),
    ($e.item.id | text), ($e.item.type | text), ($e.item.title | text), ($e.item.desc | text),
    ($e.duration + 0.5 | floor | tostring), ($e.score | number), ($e.item.maxscore | number),
    ($e.item.params | json), (if $refused then "" else $e.resvalues | json end),
    ($c.rollup.l3 | text), ($c.rollup.l4 | text), $time]]
