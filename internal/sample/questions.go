package sample

import (
	"encoding/json"
	"fmt"
)

// question is what a bot asks, as fragments of its events' JSON.
type question struct {
	// item is the value of edata.item.
	item    string
	answers []answer
	xpath   string
	// last tells that the form ends with it.
	last bool
}

type answer struct {
	// resvalues is the value of edata.resvalues; "" where the event has none.
	resvalues string
	score     string
	pass      string
}

// questionBanks holds the demo's questions first, then those of the other conversations.
func questionBanks() [][]question {
	return [][]question{
		{
			{
				item: item("sample_do_9001", "mcq", 1, "Are you, or is anyone in your family, vaccinated?", "One answer",
					`[{"1":{"text":"Yes, twice"}},{"2":{"text":"Yes, once"}},{"3":{"text":"No"}},{"answer":{"correct":["1"]}}]`),
				xpath: "question./data/intro_group[1]/vaccinated[1]",
				answers: []answer{
					{`[{"1":{"text":"Yes, twice"}}]`, "1", "Yes"},
					{`[{"2":{"text":"Yes, once"}}]`, "0.5", "No"},
					{`[{"3":{"text":"No"}}]`, "0", "No"},
				},
			},
			{
				item: item("sample_do_9002", "mcq", 1, "आपको टीका कहाँ लगा?", "एक उत्तर चुनें",
					`[ {"1": {"text": "सरकारी अस्पताल"}}, {"2": {"text": "स्कूल, पंचायत या शिविर"}}, {"3": {"text": "\u0928\u093f\u091c\u0940 \u0915\u094d\u0932\u093f\u0928\u093f\u0915"}} ]`),
				xpath: "question./data/intro_group[1]/place[1]",
				answers: []answer{
					{`[ {"1": {"text": "सरकारी अस्पताल"}} ]`, "1.0", "Yes"},
					{`[{"2":{"text":"स्कूल, पंचायत या शिविर"}}]`, "1", "Yes"},
					{`[{"3":{"text":"\u0928\u093f\u091c\u0940 \u0915\u094d\u0932\u093f\u0928\u093f\u0915"}}]`, "0", "No"},
				},
			},
			{
				item:  item("sample_do_9003", "ftb", 0, "What did the doctor say?\nIn your own words, please: \"…\"", "", `[]`),
				xpath: "question./data/intro_group[1]/words[1]",
				answers: []answer{
					{`[{"text":"She said \"come back in a month\", and gave me a card"}]`, "0", "Yes"},
					{`[{"text":"कुछ नहीं, बस \"ठीक है\" कहा"}]`, "0", "Yes"},
					{`[{"text":"Rest,\nwater,\nno work for a day"}]`, "0", "Yes"},
					{`[{"text":"C:\\forms\\card.pdf"}]`, "0", "Yes"},
					{`[]`, "0", "No"},
				},
			},
			{
				item: item("sample_do_9004", "mcq", 2, "உங்களுக்கு காய்ச்சல் இருந்ததா?", "ஆம் அல்லது இல்லை",
					`[{"1":{"text":"ஆம்"}},{"2":{"text":"இல்லை"}}]`),
				xpath: "question./data/health[1]/fever[1]",
				answers: []answer{
					{`[{"1":{"text":"ஆம்"}}]`, "2", "Yes"},
					{`[{"2":{"text":"இல்லை"}}]`, "0", "No"},
				},
			},
			{
				item:    item("sample_do_9005", "number", 0, "How many people live in your house?", "A whole number, 1 to 30", `[{"min":1},{"max":30}]`),
				xpath:   "question./data/health[1]/household[1]",
				answers: []answer{{`[{"text":"4"}]`, "0", "Yes"}, {`[{"text":"7"}]`, "0", "Yes"}, {`[{"text":"-"}]`, "0", "No"}},
			},
			{
				item:    item("sample_do_9006", "rating", 5, "How did you like this chat, from 1 to 5?", "5 is best", `[{"1":"😞"},{"5":"😀"}]`),
				xpath:   "question./data/end[1]/rating[1]",
				last:    true,
				answers: []answer{{`[{"5":"😀"}]`, "5", "Yes"}, {`[{"4":"🙂"}]`, "4", "Yes"}, {`[{"1":"😞"}]`, "1", "Yes"}, {"", "0", "No"}, {"null", "0", "No"}},
			},
		},
		{
			{
				item: item("sample_do_9101", "mcq", 1, "Which of these would you like to know about?", "",
					`[{"1":{"text":"Weather"}},{"2":{"text":"Market prices"}},{"3":{"text":"Seeds & soil"}}]`),
				xpath:   "question./data/group_matched_no[1]/topic[1]",
				answers: []answer{{`[{"1":{"text":"Weather"}}]`, "1", "Yes"}, {`[{"2":{"text":"Market prices"}}]`, "1", "Yes"}, {`[{"3":{"text":"Seeds & soil"}}]`, "1", "Yes"}},
			},
			{
				item:    item("sample_do_9102", "ftb", 0, "आपका गाँव कौन सा है?", "", `[]`),
				xpath:   "question./data/group_matched_no[1]/village[1]",
				last:    true,
				answers: []answer{{`[{"text":"नमूनापुर"}]`, "0", "Yes"}, {`[{"text":"Namunapur, \"old\" village"}]`, "0", "Yes"}},
			},
		},
	}
}

// item is JSON; params stands in it as it is, white space included.
func item(id, kind string, maxScore int, title, desc, params string) string {
	return fmt.Sprintf(`{"id":"%s","maxscore":%d,"type":"%s","title":%s,"uri":"","desc":%s,"exlength":0,"mc":[],"mmc":[],"params":%s}`,
		id, maxScore, kind, quote(title), quote(desc), params)
}

func quote(text string) []byte {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string is always JSON
	}
	return quoted
}
