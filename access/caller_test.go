package access_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"data-exhaust/access"
	"data-exhaust/exhaust"
)

func rightsOf(t *testing.T, channels string, names ...string) access.Rights {
	t.Helper()
	rights, err := access.ParseRights(strings.Fields(channels), names)
	if err != nil {
		t.Fatal(err)
	}
	return rights
}

const response, private = string(exhaust.ResponseExhaust), string(exhaust.PrivateExhaust)

func TestWhatRightsAllow(t *testing.T) {
	for _, test := range []struct {
		rights access.Rights
		// sees are the channels of A, B and C that there are, may what may be asked for in them.
		sees, may string
	}{
		{access.Rights{}, "", ""},
		{rightsOf(t, "A B"), "A B", ""},
		{rightsOf(t, "A", response), "A", "A response"},
		{rightsOf(t, "A B", private), "A B", "A private, B private"},
		{rightsOf(t, "A B", response, private+"@A"), "A B", "A response, A private, B response"},
		{rightsOf(t, "A", response, private+"@C"), "A C", "A response, C response, C private"},
		{rightsOf(t, "", private+"@B"), "B", "B private"},
		{rightsOf(t, "", "operator"), "A B C", "A response, A private, B response, B private, C response, C private"},
		{rightsOf(t, "", "*"), "A B C", "A response, A private, B response, B private, C response, C private"},
		{rightsOf(t, "", "operator", response), "A B C", "A response, B response, C response"},
		{rightsOf(t, "A", "operator", response, private+"@B"), "A B C", "A response, B response, B private, C response"},
		{access.Anybody(netip.Addr{}).Rights, "A B C", "A response, A private, B response, B private, C response, C private"},
	} {
		var sees, may []string
		for _, channel := range []string{"A", "B", "C"} {
			if test.rights.Sees(channel) {
				sees = append(sees, channel)
			}
			for name, dataset := range map[string]exhaust.Dataset{"response": exhaust.ResponseExhaust, "private": exhaust.PrivateExhaust} {
				if test.rights.May(channel, dataset) {
					may = append(may, channel+" "+name)
				}
			}
			if test.rights.May(channel, "uci-other") || test.rights.May("", exhaust.PrivateExhaust) && !test.rights.Operator {
				t.Errorf("%+v allow what there is not", test.rights)
			}
		}
		want := strings.Split(test.may, ", ")
		if test.may == "" {
			want = nil
		}
		slices.Sort(want)
		slices.Sort(may)
		if strings.Join(sees, " ") != test.sees || !slices.Equal(may, want) {
			t.Errorf("%+v sees %q and may %q, want %q and %q", test.rights, sees, may, test.sees, want)
		}
		// Rights come back as they are from their names.
		again := rightsOf(t, strings.Join(test.rights.Channels, " "), test.rights.Names()...)
		if !again.Covers(test.rights) || !test.rights.Covers(again) {
			t.Errorf("%+v come back as %+v", test.rights, again)
		}
	}
}

// TestRightsCoverThoseThatAllowNoMore compares with what each allows, channel by channel and dataset by dataset.
func TestRightsCoverThoseThatAllowNoMore(t *testing.T) {
	var all []access.Rights
	for _, channels := range []string{"", "A", "B", "A B"} {
		for _, names := range [][]string{
			{}, {response}, {private}, {response, private}, {private + "@A"}, {response, private + "@B"}, {response + "@A", private + "@B"},
			{"operator"}, {"operator", response}, {"operator", response, private + "@A"},
		} {
			all = append(all, rightsOf(t, channels, names...))
		}
	}
	// Z stands for every channel that nobody names.
	allows := func(r access.Rights) (what []string) {
		if r.Operator {
			what = append(what, "operator")
		}
		for _, channel := range []string{"A", "B", "Z"} {
			if r.Sees(channel) {
				what = append(what, channel)
			}
			for _, dataset := range exhaust.Datasets {
				if r.May(channel, dataset) {
					what = append(what, fmt.Sprint(channel, " ", dataset))
				}
			}
		}
		return what
	}
	for _, r := range all {
		for _, others := range all {
			want := !slices.ContainsFunc(allows(others), func(what string) bool { return !slices.Contains(allows(r), what) })
			if got := r.Covers(others); got != want {
				t.Errorf("%v %v cover %v %v: %t", r.Channels, r.Names(), others.Channels, others.Names(), got)
			}
		}
	}
}

func TestFaultsOfRightsAreNamed(t *testing.T) {
	const unknown = " is unknown: uci-response-exhaust, uci-private-exhaust, each perhaps with @ and a channel, and operator are accepted"
	var many []string
	for i := range access.MaxChannels + 1 {
		many = append(many, fmt.Sprint(i))
	}
	for _, test := range []struct {
		channels, names []string
		want            string
	}{
		{nil, []string{"Operator"}, `right "Operator"` + unknown},
		{nil, []string{"uci-private-exhaust@"}, `right "uci-private-exhaust@"` + unknown},
		{nil, []string{"uci-private-exhaust@a|b"}, `channel "a|b" is not valid: 1 to 150 printable characters other than | are accepted`},
		{nil, []string{""}, `right ""` + unknown},
		{[]string{""}, nil, `channel "" is not valid: 1 to 150 printable characters other than | are accepted`},
		{[]string{"a\x00"}, nil, `channel "a\x00" is not valid: 1 to 150 printable characters other than | are accepted`},
		{many, nil, "101 channels are too many: at most 100 are accepted, or the right operator, which is for all"},
	} {
		if _, err := access.ParseRights(test.channels, test.names); err == nil || err.Error() != test.want {
			t.Errorf("%.40q %q: %v, want %s", test.channels, test.names, err, test.want)
		}
	}
}
