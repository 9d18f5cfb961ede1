package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"data-exhaust/access"
	"data-exhaust/exhaust"
	"data-exhaust/internal/sample"
	"data-exhaust/report"
)

// lookUps are the calls about something in a channel that REST does not make; beside the table attempts, which has those that it
// makes. Each gives what it says of the channel.
var lookUps = map[string]func(ctx context.Context, a *Authorized, c access.Caller, channel, requestID string) (string, error){
	"browse": func(ctx context.Context, a *Authorized, c access.Caller, channel, _ string) (string, error) {
		page, err := a.Browse(ctx, c, Browse{Channel: channel, Limit: 10})
		return fmt.Sprint(len(page.Exhausts)), err
	},
	"browse all": func(ctx context.Context, a *Authorized, c access.Caller, _, _ string) (string, error) {
		page, err := a.Browse(ctx, c, Browse{Tag: "tag", Limit: 10})
		return fmt.Sprint(len(page.Exhausts)), err
	},
	"names": func(ctx context.Context, a *Authorized, c access.Caller, channel, _ string) (string, error) {
		names, err := a.ConversationNames(ctx, c, channel, []string{conversation})
		return names[conversation], err
	},
	"names in all": func(ctx context.Context, a *Authorized, c access.Caller, _, _ string) (string, error) {
		names, err := a.ConversationNames(ctx, c, "", []string{conversation})
		return names[conversation], err
	},
	"channels": func(ctx context.Context, a *Authorized, c access.Caller, _, _ string) (string, error) {
		channels, err := a.ListChannels(ctx, c)
		return strings.Join(channels, " "), err
	},
	"gaps": func(ctx context.Context, a *Authorized, c access.Caller, channel, requestID string) (string, error) {
		days, err := a.DaysWithoutTelemetry(ctx, c, "tag", channel, requestID)
		return fmt.Sprint(days), err
	},
	"preview": func(ctx context.Context, a *Authorized, c access.Caller, channel, requestID string) (string, error) {
		preview, err := a.Preview(ctx, c, "tag", channel, requestID, PreviewOptions{})
		return fmt.Sprint(len(preview.Rows)), err
	},
	"reveal": func(ctx context.Context, a *Authorized, c access.Caller, channel, requestID string) (string, error) {
		preview, err := a.Preview(ctx, c, "tag", channel, requestID, PreviewOptions{Reveal: true})
		return fmt.Sprint(len(preview.Rows)), err
	},
}

func TestACallerLooksUpWhatIsInHisChannelsAndPreviewsWhatHeHasTheRightTo(t *testing.T) {
	s := newService(t)
	if err := sample.CreateEmbeddedTables(t.Context(), s.db); err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.Exec(t.Context(), `INSERT INTO bot (id, name, ownerorgid) VALUES ($1, 'Helpdesk', $2)`, conversation, channel); err != nil {
		t.Fatal(err)
	}
	job := s.file("A", exhaust.PrivateExhaust, report.Options{}, []string{conversation, "Helpdesk", "+919999900001", "x", device})
	const noChannel = "no channel available with the given X-Channel-ID"
	notFound := ErrNotFound.Error()
	forbidden := "the right uci-private-exhaust is needed in this channel, and these credentials do not have it"
	for name, caller := range map[string]struct {
		access.Caller
		want map[string]string
		// refused are the actions of the audit log that were refused.
		refused string
	}{
		"the owner": {everything(t), map[string]string{
			"browse": "1", "browse all": "1", "names": "Helpdesk", "names in all": "Helpdesk", "channels": channel, "gaps": "[]", "preview": "1", "reveal": "1",
		}, ""},
		"a reader of response exhausts": {callerOf(t, []string{channel}, "uci-response-exhaust"), map[string]string{
			"browse": "1", "browse all": "1", "names": "Helpdesk", "names in all": "Helpdesk", "channels": channel, "gaps": forbidden, "preview": forbidden, "reveal": forbidden,
		}, "preview preview read"},
		"one with the right elsewhere": {callerOf(t, []string{channel}, "uci-private-exhaust@0666"), map[string]string{
			"browse": "1", "browse all": "1", "names": "Helpdesk", "names in all": "Helpdesk", "channels": channel + " 0666", "gaps": forbidden, "preview": forbidden, "reveal": forbidden,
		}, "preview preview read"},
		"one of another channel": {callerOf(t, []string{"0666"}, "uci-response-exhaust", "uci-private-exhaust"), map[string]string{
			"browse": noChannel, "browse all": "0", "names": noChannel, "names in all": "", "channels": "0666", "gaps": notFound, "preview": notFound, "reveal": notFound,
		}, "browse conversation.list preview preview read"},
		"one of no channel": {callerOf(t, nil, "uci-private-exhaust"), map[string]string{
			"browse": noChannel, "browse all": "0", "names": noChannel, "names in all": "", "channels": "", "gaps": notFound, "preview": notFound, "reveal": notFound,
		}, "browse conversation.list preview preview read"},
		"an operator": {callerOf(t, nil, "operator"), map[string]string{
			"browse": "1", "browse all": "1", "names": "Helpdesk", "names in all": "Helpdesk", "channels": channel, "gaps": "[]", "preview": "1", "reveal": "1",
		}, ""},
		"an operator of response exhausts": {callerOf(t, nil, "operator", "uci-response-exhaust"), map[string]string{
			"browse": "1", "browse all": "1", "names": "Helpdesk", "names in all": "Helpdesk", "channels": channel, "gaps": forbidden, "preview": forbidden, "reveal": forbidden,
		}, "preview preview read"},
	} {
		a, log := s.callers()
		for call, want := range caller.want {
			got, err := lookUps[call](t.Context(), a, caller.Caller, channel, job.ID)
			if err != nil {
				got = err.Error()
			}
			if got != want {
				t.Errorf("%s of %s: %s, want %s", call, name, got, want)
			}
		}
		var refused []string
		for line := range strings.Lines(log.String()) {
			_, rest, _ := strings.Cut(line, `"action":"`)
			if action, _, _ := strings.Cut(rest, `"`); !strings.Contains(line, `"outcome":"done"`) {
				refused = append(refused, action)
			}
		}
		if got := sorted(strings.Join(refused, " ")); got != sorted(caller.refused) {
			t.Errorf("of %s the audit log has the refusals %q, want %q", name, got, caller.refused)
		}
	}
}

// sorted are words in their order.
func sorted(words string) string {
	return strings.Join(slices.Sorted(slices.Values(strings.Fields(words))), " ")
}

func TestARegistryThatHangsIsUnavailableWhereNamesAreAskedFor(t *testing.T) {
	a := NewAuthorized(nil, nil, NewConversations(hanging{}), nil, nil, nil, nil, nil)
	began := time.Now()
	_, err := a.ConversationNames(t.Context(), callerOf(t, []string{channel}), channel, []string{conversation})
	var away *UnavailableError
	if !errors.As(err, &away) || away.Dependency != UCIDependency || time.Since(began) > 10*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
	if _, err := a.ConversationNames(t.Context(), callerOf(t, []string{channel}), channel, make([]string, 101)); err == nil || errors.As(err, &away) {
		t.Errorf("of 101: %v", err)
	}
}

// hanging is a registry that does not answer.
type hanging struct{ Registry }

func (hanging) ConversationNames(ctx context.Context, _ []string, _ func(string) bool) (map[string]string, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}
