package service

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"data-exhaust/access"
	"data-exhaust/exhaust"
	"data-exhaust/jobs"
)

// Browse says which exhausts somebody looks through, page by page; a zero value wants any.
type Browse struct {
	// Channel is one of the caller's; "" is all of them, and of an operator all that there are.
	Channel string
	// Tag is the client's, without a channel.
	Tag string
	// ConversationID is in any letter case where it is a uuid.
	ConversationID string
	Dataset        exhaust.Dataset
	Statuses       []exhaust.Status
	// Day is that of submission, in EXHAUST_TIMEZONE.
	Day exhaust.Day
	// After is the cursor that the page before gave; "" is the first page.
	After string
	// Limit is how many a page has at the most, 1 to 1000.
	Limit int
}

// ExhaustPage is a page of exhausts, newest first, without their datasetConfigs and URLs, and the cursor of the next page; ""
// behind the last. One whose report has expired says so. What is submitted meanwhile stands before the first page, so whoever
// follows the cursors meets each of the others once.
type ExhaustPage struct {
	Exhausts []exhaust.Job
	Next     string
}

// Browse is a page of the exhausts of the caller's channels, or of the one that he names. Any right in a channel is enough to
// see what there is in it. What cannot be looked for is an *exhaust.InvalidError.
func (a *Authorized) Browse(ctx context.Context, c access.Caller, browse Browse) (ExhaustPage, error) {
	if browse.Channel != "" {
		if err := a.check(c, browse.Channel); err != nil {
			return ExhaustPage{}, a.tell(c, "browse", access.Event{Channel: browse.Channel}, err)
		}
	}
	search, err := browse.search(a.exhausts.settings.Timezone)
	if err != nil {
		return ExhaustPage{}, err
	}
	channels := []string{browse.Channel}
	if browse.Channel == "" {
		if channels, err = a.browsed(ctx, c, browse); err != nil {
			return ExhaustPage{}, err
		}
	}
	return a.exhausts.page(ctx, search, channels)
}

// browsed are the channels to look in, where none is named; "" is any. An operator's tag or conversation is looked for in those
// that have it.
func (a *Authorized) browsed(ctx context.Context, c access.Caller, browse Browse) ([]string, error) {
	switch {
	case !c.Operator:
		return c.Channels, nil
	case browse.Tag == "" && browse.ConversationID == "":
		return []string{""}, nil
	}
	return a.exhausts.channels(ctx, browse.Tag, browse.ConversationID)
}

// maxBrowsed is how many exhausts a page has at the most.
const maxBrowsed = 1000

// search is what is looked for as job_request knows it, and one more than a page has.
func (b Browse) search(zone *time.Location) (jobs.Search, error) {
	search := jobs.Search{
		Dataset: b.Dataset, Tag: b.Tag, ConversationID: b.ConversationID, Statuses: b.Statuses, Limit: b.Limit + 1,
	}
	if b.Limit < 1 || b.Limit > maxBrowsed {
		return search, exhaust.Invalid(exhaust.LimitInvalid, strconv.Itoa(b.Limit), maxBrowsed)
	}
	if b.Dataset != "" && !slices.Contains(exhaust.Datasets, b.Dataset) {
		return search, exhaust.Invalid(exhaust.DatasetUnknown, "dataset", b.Dataset, exhaust.Names(exhaust.Datasets))
	}
	for _, status := range b.Statuses {
		if !slices.Contains(exhaust.Statuses, status) {
			return search, exhaust.Invalid(exhaust.StatusUnknown, status, exhaust.Names(exhaust.Statuses))
		}
	}
	if err := exhaust.CheckText("tag", b.Tag); err != nil {
		return search, err
	}
	if err := exhaust.CheckText("conversationId", b.ConversationID); err != nil {
		return search, err
	}
	if b.Day != "" {
		day, err := exhaust.ParseDay(string(b.Day))
		if err != nil {
			return search, exhaust.Invalid(exhaust.DateInvalid, "day", b.Day)
		}
		search.From, search.To = day.Midnight(zone), day.Add(1).Midnight(zone)
	}
	var isCursor bool
	if search.After, isCursor = positionOf(b.After); !isCursor {
		return search, exhaust.Invalid(exhaust.AfterInvalid, b.After)
	}
	return search, nil
}

// page is the exhausts of some channels that a search for one more than a page has finds.
func (s *Exhausts) page(ctx context.Context, search jobs.Search, channels []string) (page ExhaustPage, err error) {
	if page.Exhausts, err = s.searchEach(ctx, search, channels); err != nil {
		return ExhaustPage{}, err
	}
	if size := search.Limit - 1; len(page.Exhausts) > size {
		page.Exhausts = page.Exhausts[:size]
		page.Next = cursorOf(page.Exhausts[size-1]) // as its row has it, by which rows are found
	}
	page.Exhausts, err = s.refresh(ctx, page.Exhausts, URLsOfNone)
	return page, err
}

// A cursor is the position of the last exhaust of a page: what it says of an exhaust, the page has said.
func cursorOf(job exhaust.Job) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d.%s", job.SubmittedAt.UnixMilli(), job.ID))
}

func positionOf(cursor string) (position jobs.Position, isCursor bool) {
	if cursor == "" {
		return jobs.Position{}, true
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return jobs.Position{}, false
	}
	at, requestID, _ := strings.Cut(string(text), ".")
	milliseconds, err := strconv.ParseInt(at, 10, 64)
	submitted := time.UnixMilli(milliseconds)
	if year := submitted.UTC().Year(); err != nil || year < 1970 || year > 9999 || !exhaust.IsRequestID(requestID) {
		return jobs.Position{}, false
	}
	return jobs.Position{SubmittedAt: submitted, RequestID: requestID}, true
}

// maxListedChannels is how many channels are listed at the most.
const maxListedChannels = 1000

// ListChannels are the channels that the caller may choose among, ascending: his own, and an operator's those too that have
// exhausts; of more than 1000 some. Before there are any they are some that have conversations.
func (a *Authorized) ListChannels(ctx context.Context, c access.Caller) ([]string, error) {
	channels := slices.Clone(c.Channels)
	if c.Operator {
		found, err := a.exhausts.channels(ctx, "", "")
		if err != nil {
			return nil, err
		}
		channels = append(channels, found...)
	}
	if c.Operator && len(channels) == 0 {
		owners, err := a.conversations.owners(ctx)
		if err != nil {
			return nil, err
		}
		channels = owners
	}
	slices.Sort(channels)
	channels = slices.Compact(channels)
	return channels[:min(len(channels), maxListedChannels)], nil
}

// channels are those that have exhausts, of a tag or a conversation where one is given.
func (s *Exhausts) channels(ctx context.Context, tag, conversationID string) ([]string, error) {
	channels, err := s.jobs.Channels(ctx, tag, conversationID, maxListedChannels)
	if err != nil {
		return nil, databaseFailure(err)
	}
	return channels, nil
}
