package service

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"slices"
	"time"

	"data-exhaust/access"
	"data-exhaust/exhaust"
	"data-exhaust/jobs"
	"data-exhaust/registry"
)

// Authorized is the service as callers have it: what each call does is asked of [Authorized.check] first, and told to the audit
// log. REST and every other door use nothing else; the night and schedules, which act for nobody, use what is behind it.
type Authorized struct {
	exhausts      *Exhausts
	schedules     *Schedules
	conversations *Conversations
	estimates     *Estimates
	secrets       *WebhookSecrets
	tokens        *Tokens
	operations    *Operations
	audit         *access.Audit
}

// NewAuthorized makes the service of callers. Without webhooks secrets is nil, without tokens of this service's own tokens is.
func NewAuthorized(
	exhausts *Exhausts, schedules *Schedules, conversations *Conversations, estimates *Estimates, secrets *WebhookSecrets, tokens *Tokens,
	operations *Operations, audit *access.Audit,
) *Authorized {
	return &Authorized{
		exhausts: exhausts, schedules: schedules, conversations: conversations, estimates: estimates, secrets: secrets, tokens: tokens,
		operations: operations, audit: audit,
	}
}

// ForbiddenError says that a caller lacks a right in a channel of his own.
type ForbiddenError struct{ exhaust.Fault }

func forbid(code *exhaust.Code, values ...any) error {
	return &ForbiddenError{exhaust.NewFault(code, values...)}
}

// NoChannelError says that a channel is not the caller's. For him it does not exist, nor what is in it.
type NoChannelError struct{}

func (e *NoChannelError) Error() string { return exhaust.NoSuchChannel.Template() }

// hide is the error of what does not exist in place of one that says that its channel is another's: the answers are the same.
func hide(err, absent error) error {
	_, isElsewhere := errors.AsType[*NoChannelError](err)
	_, isUntold := errors.AsType[*UnavailableError](err)
	if isElsewhere && !isUntold {
		return absent
	}
	return err
}

// need is what a call needs in its channel.
type need func(c access.Caller, channel string) error

// check is the one place that decides what a caller may do: an error where the channel is not his, or where he lacks what the
// call needs there (contract section 9).
func (a *Authorized) check(c access.Caller, channel string, needs ...need) error {
	if !c.Sees(channel) {
		return &NoChannelError{}
	}
	for _, need := range needs {
		if err := need(c, channel); err != nil {
			return err
		}
	}
	return nil
}

// theDataset needs the right to a dataset. One that there is not is no matter of rights: the call says so itself.
func theDataset(dataset exhaust.Dataset) need {
	return func(c access.Caller, channel string) error {
		if !slices.Contains(exhaust.Datasets, dataset) || c.May(channel, dataset) {
			return nil
		}
		return forbid(exhaust.RightMissing, dataset)
	}
}

// everyDataset needs the rights to all of them, as the secret does that signs the webhooks of all.
func everyDataset(c access.Caller, channel string) error {
	for _, dataset := range exhaust.Datasets {
		if err := theDataset(dataset)(c, channel); err != nil {
			return err
		}
	}
	return nil
}

// permission checks what was found in a channel.
func (a *Authorized) permission(c access.Caller, channel string) Permission {
	return func(dataset exhaust.Dataset) error { return a.check(c, channel, theDataset(dataset)) }
}

// Submit is [Exhausts.Submit].
func (a *Authorized) Submit(ctx context.Context, c access.Caller, submission exhaust.Submission) (exhaust.Job, error) {
	dataset := exhaust.Dataset(submission.Dataset)
	var (
		job exhaust.Job
		err error
	)
	// What is no channel is a mistake among others, which submitting names in the order that clients know.
	if exhaust.CheckChannel(submission.Channel) == nil {
		err = a.check(c, submission.Channel, theDataset(dataset))
	}
	if err == nil {
		job, err = a.exhausts.Submit(ctx, submission)
	}
	return job, a.tellOf(c, "submit", access.Event{
		Channel: submission.Channel, Dataset: dataset, RequestID: job.ID, Purpose: submission.Purpose,
	}, job, err)
}

// Estimate is [Estimates.Estimate]. It needs what submitting needs.
func (a *Authorized) Estimate(ctx context.Context, c access.Caller, submission exhaust.Submission) (Estimate, error) {
	dataset := exhaust.Dataset(submission.Dataset)
	if exhaust.CheckChannel(submission.Channel) == nil {
		if err := a.check(c, submission.Channel, theDataset(dataset)); err != nil {
			return Estimate{}, a.tell(c, "estimate", access.Event{Channel: submission.Channel, Dataset: dataset, Purpose: submission.Purpose}, err)
		}
	}
	return a.estimates.Estimate(ctx, submission)
}

// SearchConversations is [Conversations.Search]. Any right in the channel is enough.
func (a *Authorized) SearchConversations(ctx context.Context, c access.Caller, search registry.ConversationSearch) (found []exhaust.Conversation, next string, err error) {
	if err := a.check(c, search.Channel); err != nil {
		return nil, "", a.tell(c, "conversation.list", access.Event{Channel: search.Channel}, err)
	}
	return a.conversations.Search(ctx, search)
}

// ConversationNames are the names of a channel's conversations by their ids as they are given, at most 100; "" is all of the
// caller's channels. Left out is what has no name, or is another channel's. Any right in the channel is enough.
func (a *Authorized) ConversationNames(ctx context.Context, c access.Caller, channel string, ids []string) (map[string]string, error) {
	isWanted := func(owner string) bool { return registry.IsSameChannel(owner, channel) }
	if channel == "" {
		isWanted = func(owner string) bool {
			return c.Operator || slices.ContainsFunc(c.Channels, func(own string) bool { return registry.IsSameChannel(owner, own) })
		}
	} else if err := a.check(c, channel); err != nil {
		return nil, a.tell(c, "conversation.list", access.Event{Channel: channel}, err)
	}
	return a.conversations.names(ctx, ids, isWanted)
}

// Read is [Exhausts.Read].
func (a *Authorized) Read(ctx context.Context, c access.Caller, tag, channel, requestID string) (exhaust.Job, error) {
	err := a.check(c, channel)
	var job exhaust.Job
	if err == nil {
		job, err = a.exhausts.Read(ctx, tag, channel, requestID, a.permission(c, channel))
	}
	if isRefusal(err) {
		return exhaust.Job{}, hide(a.tell(c, "read", access.Event{Channel: channel, RequestID: requestID}, err), ErrNotFound)
	}
	if err != nil {
		return exhaust.Job{}, err
	}
	return job, a.tellOfURLs(c, job)
}

// Summary is [Exhausts.Summary].
func (a *Authorized) Summary(ctx context.Context, c access.Caller, tag, channel, requestID string) (io.ReadCloser, error) {
	err := a.check(c, channel)
	var (
		job     exhaust.Job
		summary io.ReadCloser
	)
	if err == nil {
		job, summary, err = a.exhausts.Summary(ctx, tag, channel, requestID, a.permission(c, channel))
	}
	err = hide(a.tell(c, "summary", access.Event{Channel: channel, RequestID: requestID, Dataset: job.Dataset, Purpose: job.Purpose}, err), ErrNotFound)
	if err != nil && summary != nil {
		return nil, errors.Join(err, summary.Close())
	}
	return summary, err
}

// Preview is [Exhausts.Preview]. The audit log tells whether phone numbers were revealed.
func (a *Authorized) Preview(ctx context.Context, c access.Caller, tag, channel, requestID string, options PreviewOptions) (Preview, error) {
	err := a.check(c, channel)
	var (
		job     exhaust.Job
		preview Preview
	)
	if err == nil {
		job, preview, err = a.exhausts.Preview(ctx, tag, channel, requestID, options, a.permission(c, channel))
	}
	action := "preview"
	if preview.HasNumbers && !preview.IsMasked {
		action = "preview.reveal"
	}
	event := access.Event{Channel: channel, RequestID: requestID, Dataset: job.Dataset, Purpose: job.Purpose}
	if err = hide(a.tell(c, action, event, err), ErrNotFound); err != nil {
		return Preview{}, err
	}
	return preview, nil
}

// Cancel is [Exhausts.Cancel].
func (a *Authorized) Cancel(ctx context.Context, c access.Caller, tag, channel, requestID string) (exhaust.Job, error) {
	return a.change(ctx, c, "cancel", tag, channel, requestID, a.exhausts.Cancel)
}

// Retry is [Exhausts.Retry].
func (a *Authorized) Retry(ctx context.Context, c access.Caller, tag, channel, requestID string) (exhaust.Job, error) {
	return a.change(ctx, c, "retry", tag, channel, requestID, a.exhausts.Retry)
}

func (a *Authorized) change(ctx context.Context, c access.Caller, action, tag, channel, requestID string,
	act func(ctx context.Context, tag, channel, requestID string, may ...Permission) (exhaust.Job, error),
) (exhaust.Job, error) {
	err := a.check(c, channel)
	var job exhaust.Job
	if err == nil {
		job, err = act(ctx, tag, channel, requestID, a.permission(c, channel))
	}
	return job, hide(a.tellOf(c, action, access.Event{Channel: channel, RequestID: requestID, Dataset: job.Dataset}, job, err), ErrNotFound)
}

// List is [Exhausts.List]. Exhausts of a dataset that the caller has no right to are there without URLs.
func (a *Authorized) List(ctx context.Context, c access.Caller, tag, channel string, limit int) ([]exhaust.Job, error) {
	if err := a.check(c, channel); err != nil {
		return nil, hide(a.tell(c, "list", access.Event{Channel: channel}, err), ErrNotFound)
	}
	found, err := a.exhausts.List(ctx, tag, channel, limit, urlsFor(c))
	if err != nil {
		return nil, err
	}
	return found, a.tellOfURLs(c, found...)
}

// urlsFor are the URLs that a caller may have.
func urlsFor(c access.Caller) URLsOf {
	return func(r exhaust.Request) bool { return c.May(r.Channel, r.Dataset) }
}

// Search is [Exhausts.Search] of the caller's channels, or of the one that he names. An operator who names none sees the exhausts
// of all, and nobody's URLs.
func (a *Authorized) Search(ctx context.Context, c access.Caller, channel string, search Search) ([]exhaust.Job, error) {
	if channel != "" {
		if err := a.check(c, channel); err != nil {
			return nil, a.tell(c, "search", access.Event{Channel: channel}, err)
		}
	}
	if isLeft, err := narrow(c, channel, &search.Channel); !isLeft {
		return nil, a.tellRefusal(c, "search", access.Event{Channel: search.Channel}, err)
	}
	if !c.Operator {
		search.Channels = c.Channels
	}
	search.URLs = urlsFor(c)
	if c.Operator && channel == "" {
		search.URLs = URLsOfNone
	}
	found, err := a.exhausts.Search(ctx, search)
	if err != nil {
		return nil, err
	}
	return found, a.tellOfURLs(c, found...)
}

// narrow narrows the filter of a channel to the one that the call names, where it names one, and reports whether anything is left
// of it. The error is that of a filter for a channel that is not the caller's: he is answered like one who finds nothing.
func narrow(c access.Caller, named string, filter *string) (isLeft bool, err error) {
	switch {
	case *filter == "":
		*filter = named
		return named != "" || c.Operator || len(c.Channels) > 0, nil
	case !c.Sees(*filter):
		return false, &NoChannelError{}
	}
	return named == "" || named == *filter, nil
}

// Replay is [Exhausts.Replay] of what the caller may ask for: in his channels, or in the one that he names, of the datasets that
// he has a right to. scope is what he wants of it.
func (a *Authorized) Replay(ctx context.Context, c access.Caller, channel string, scope Scope, replay Replay) (found []exhaust.Job, next string, err error) {
	event := access.Event{Channel: channel, Dataset: scope.Dataset, RequestID: replay.RequestID}
	if channel != "" {
		err = a.check(c, channel, theDataset(scope.Dataset))
	}
	if err == nil {
		isLeft, foreign := narrow(c, channel, &scope.Channel)
		if event.Channel = scope.Channel; foreign != nil {
			return nil, "", a.tellRefusal(c, "replay", event, foreign)
		}
		replay.Scopes, replay.IsLimited = scopesFor(c, scope), !c.Operator
		if isLeft && len(replay.Scopes) > 0 {
			found, next, err = a.exhausts.Replay(ctx, replay)
		}
	}
	if replay.DryRun && !isRefusal(err) {
		return found, next, err
	}
	if len(found) == 0 {
		return nil, next, a.tell(c, "replay", event, err)
	}
	for _, job := range found {
		event := access.Event{Channel: job.Channel, Dataset: job.Dataset, RequestID: job.ID, Outcome: outcomeOf(err)}
		if failure := a.write(c, "replay", event); failure != nil {
			return nil, "", failure
		}
	}
	return found, next, err
}

// CountReplay is how many exhausts [Authorized.Replay] starts of what the caller may ask for, in all of his channels.
func (a *Authorized) CountReplay(ctx context.Context, c access.Caller, replay Replay) (int, error) {
	if replay.Scopes = scopesFor(c, Scope{}); len(replay.Scopes) == 0 {
		return 0, nil
	}
	return a.exhausts.CountReplay(ctx, replay)
}

// scopesFor are what a caller may ask for within a scope.
func scopesFor(c access.Caller, within Scope) (scopes []Scope) {
	datasets := exhaust.Datasets
	if within.Dataset != "" {
		datasets = []exhaust.Dataset{within.Dataset}
	}
	for _, dataset := range datasets {
		switch {
		case within.Channel != "":
			if c.May(within.Channel, dataset) {
				scopes = append(scopes, Scope{Channel: within.Channel, Dataset: dataset})
			}
		case c.Operator && slices.Contains(c.Datasets, access.DatasetRight{Dataset: dataset}):
			scopes = append(scopes, Scope{Dataset: dataset})
		default:
			for _, channel := range c.Channels {
				if c.May(channel, dataset) {
					scopes = append(scopes, Scope{Channel: channel, Dataset: dataset})
				}
			}
		}
	}
	return scopes
}

// Configs is [Exhausts.Configs] of exhausts that the caller was given.
func (a *Authorized) Configs(ctx context.Context, requestIDs []string) (map[string]json.RawMessage, error) {
	return a.exhausts.Configs(ctx, requestIDs)
}

// ReceiptKeys is [Exhausts.ReceiptKeys], for every caller.
func (a *Authorized) ReceiptKeys(ctx context.Context, _ access.Caller) ([]jobs.ReceiptKey, error) {
	return a.exhausts.ReceiptKeys(ctx)
}

// CreateSchedule is [Schedules.Create].
func (a *Authorized) CreateSchedule(ctx context.Context, c access.Caller, draft ScheduleDraft) (Schedule, error) {
	err := a.check(c, draft.Channel, theDataset(exhaust.Dataset(draft.Dataset)))
	var schedule Schedule
	if err == nil {
		schedule, err = a.schedules.Create(ctx, draft, a.permission(c, draft.Channel))
	}
	return schedule, a.tell(c, "schedule.create", access.Event{
		Channel: draft.Channel, Dataset: exhaust.Dataset(draft.Dataset), Subject: schedule.ID, Purpose: draft.Purpose,
	}, err)
}

// ListSchedules is [Schedules.List] of the schedules whose dataset the caller has a right to.
func (a *Authorized) ListSchedules(ctx context.Context, c access.Caller, channel, after string, limit int) (iter.Seq2[Schedule, error], error) {
	if err := a.check(c, channel); err != nil {
		return nil, a.tell(c, "schedule.list", access.Event{Channel: channel}, err)
	}
	return a.schedules.List(ctx, channel, after, limit, a.permission(c, channel))
}

// ReadSchedule is [Schedules.Read].
func (a *Authorized) ReadSchedule(ctx context.Context, c access.Caller, channel, id string) (Schedule, error) {
	err := a.check(c, channel)
	var schedule Schedule
	if err == nil {
		schedule, err = a.schedules.Read(ctx, channel, id, a.permission(c, channel))
	}
	if isRefusal(err) {
		err = hide(a.tell(c, "schedule.read", access.Event{Channel: channel, Subject: id}, err), ErrNoSchedule)
	}
	return schedule, err
}

// NextFirings is [Schedules.NextFirings]. Any right in the channel is enough: a cron expression tells nothing of what is in it.
func (a *Authorized) NextFirings(ctx context.Context, c access.Caller, channel, cron, zone string, count int) (CronPreview, error) {
	if err := a.check(c, channel); err != nil {
		return CronPreview{}, a.tell(c, "schedule.preview", access.Event{Channel: channel}, err)
	}
	return a.schedules.NextFirings(ctx, cron, zone, count)
}

// ScheduleWindows is [Schedules.Windows].
func (a *Authorized) ScheduleWindows(ctx context.Context, c access.Caller, channel, id string, from, to exhaust.Day) (ScheduleWindows, error) {
	err := a.check(c, channel)
	var windows ScheduleWindows
	if err == nil {
		windows, err = a.schedules.Windows(ctx, a.exhausts, channel, id, from, to, a.permission(c, channel))
	}
	if isRefusal(err) {
		err = hide(a.tell(c, "schedule.windows", access.Event{Channel: channel, Subject: id}, err), ErrNoSchedule)
	}
	return windows, err
}

// ChangeSchedule is [Schedules.Change].
func (a *Authorized) ChangeSchedule(ctx context.Context, c access.Caller, channel, id string, patch SchedulePatch) (Schedule, error) {
	return a.changeSchedule(c, "schedule.change", channel, id, func(may Permission) (Schedule, error) {
		return a.schedules.Change(ctx, channel, id, patch, may)
	})
}

// DeleteSchedule is [Schedules.Delete].
func (a *Authorized) DeleteSchedule(ctx context.Context, c access.Caller, channel, id string) (Schedule, error) {
	return a.changeSchedule(c, "schedule.delete", channel, id, func(may Permission) (Schedule, error) {
		return a.schedules.Delete(ctx, channel, id, may)
	})
}

// TriggerSchedule is [Schedules.Trigger].
func (a *Authorized) TriggerSchedule(ctx context.Context, c access.Caller, channel, id string) (Schedule, error) {
	return a.changeSchedule(c, "schedule.trigger", channel, id, func(may Permission) (Schedule, error) {
		return a.schedules.Trigger(ctx, channel, id, may)
	})
}

// BackfillSchedule is [Schedules.Backfill].
func (a *Authorized) BackfillSchedule(ctx context.Context, c access.Caller, channel, id, first, last string) (windows []exhaust.Window, err error) {
	_, err = a.changeSchedule(c, "schedule.backfill", channel, id, func(may Permission) (_ Schedule, err error) {
		windows, err = a.schedules.Backfill(ctx, channel, id, first, last, may)
		return Schedule{}, err
	})
	return windows, err
}

func (a *Authorized) changeSchedule(c access.Caller, action, channel, id string, act func(Permission) (Schedule, error)) (Schedule, error) {
	err := a.check(c, channel)
	var schedule Schedule
	if err == nil {
		schedule, err = act(a.permission(c, channel))
	}
	return schedule, hide(a.tell(c, action, access.Event{Channel: channel, Dataset: schedule.Dataset, Subject: id}, err), ErrNoSchedule)
}

// ReadWebhookSecret is [WebhookSecrets.Read].
func (a *Authorized) ReadWebhookSecret(ctx context.Context, c access.Caller, channel string) (WebhookSecret, error) {
	err := a.check(c, channel, everyDataset)
	if err != nil {
		return WebhookSecret{}, a.tell(c, "webhook-secret.read", access.Event{Channel: channel}, err)
	}
	return a.secrets.Read(ctx, channel)
}

// ReplaceWebhookSecret is [WebhookSecrets.Replace].
func (a *Authorized) ReplaceWebhookSecret(ctx context.Context, c access.Caller, channel string) (WebhookSecret, error) {
	err := a.check(c, channel, everyDataset)
	var secret WebhookSecret
	if err == nil {
		secret, err = a.secrets.Replace(ctx, channel)
	}
	return secret, a.tell(c, "webhook-secret.replace", access.Event{Channel: channel}, err)
}

// CreateToken makes a token that allows no more, and not for longer, than the caller's own. It returns the secret too, which
// nothing keeps.
func (a *Authorized) CreateToken(ctx context.Context, c access.Caller, draft TokenDraft) (token access.Token, secret string, err error) {
	token, secret, err = a.tokens.createBy(ctx, c, draft)
	if err = a.tell(c, "token.create", access.Event{Subject: token.ID}, err); err != nil {
		return access.Token{}, "", err
	}
	return token, secret, nil
}

// ListTokens are the tokens that the caller may revoke: his own and what was made with it, an operator's all.
func (a *Authorized) ListTokens(ctx context.Context, c access.Caller) ([]access.Token, error) {
	return a.tokens.listBy(ctx, c)
}

// RevokeToken ends a token of those that ListTokens gives, and what was made with it.
func (a *Authorized) RevokeToken(ctx context.Context, c access.Caller, id string) (access.Token, error) {
	token, err := a.tokens.revokeBy(ctx, c, id)
	return token, a.tell(c, "token.revoke", access.Event{Subject: cmp.Or(token.ID, id)}, err)
}

// Failures is [Operations.Failures].
func (a *Authorized) Failures(ctx context.Context, c access.Caller, since time.Time, limit int) (groups []FailureGroup, more int, err error) {
	if err := a.CheckOperator(c, "operations.failures"); err != nil {
		return nil, 0, err
	}
	return a.operations.Failures(ctx, since, limit)
}

// LastNight is [Operations.LastNight].
func (a *Authorized) LastNight(ctx context.Context, c access.Caller) (NightReport, error) {
	if err := a.CheckOperator(c, "operations.night"); err != nil {
		return NightReport{}, err
	}
	return a.operations.LastNight(ctx)
}

// UnderWay is [Operations.UnderWay].
func (a *Authorized) UnderWay(ctx context.Context, c access.Caller, limit int) (UnderWay, error) {
	if err := a.CheckOperator(c, "operations.under-way"); err != nil {
		return UnderWay{}, err
	}
	return a.operations.UnderWay(ctx, limit)
}

// Workers is [Operations.Workers].
func (a *Authorized) Workers(ctx context.Context, c access.Caller) ([]Worker, error) {
	if err := a.CheckOperator(c, "operations.workers"); err != nil {
		return nil, err
	}
	return a.operations.Workers(ctx)
}

// TelemetryDays is [Operations.TelemetryDays].
func (a *Authorized) TelemetryDays(ctx context.Context, c access.Caller, days int) ([]TelemetryDay, error) {
	if err := a.CheckOperator(c, "operations.telemetry"); err != nil {
		return nil, err
	}
	return a.operations.TelemetryDays(ctx, days)
}

// CheckOperator refuses whoever does not have the operator's right. action is what he wants, for the audit log.
func (a *Authorized) CheckOperator(c access.Caller, action string) error {
	if c.Operator {
		return nil
	}
	return a.tell(c, action, access.Event{}, forbid(exhaust.OperatorRightMissing, access.OperatorRight))
}

// Refused tells the audit log of a request that was refused before any call was made: without credentials, too soon, or because
// nothing can be made of it.
func (a *Authorized) Refused(c access.Caller, what string, err error) error {
	return a.tell(c, what, access.Event{}, err)
}

// Downloaded tells the audit log of a file of the reports store that was asked for with its signed URL.
func (a *Authorized) Downloaded(ctx context.Context, c access.Caller, dataset exhaust.Dataset, requestID, outcome string) error {
	ctx, cancel := context.WithTimeout(ctx, progressTimeout)
	defer cancel()
	event := access.Event{Dataset: dataset, RequestID: requestID, Outcome: outcome}
	if outcome == Done {
		if job, err := a.exhausts.jobs.Job(ctx, requestID); err == nil {
			event.Channel = job.Channel
		} // else it is told without: the file is there though the database may be away
	}
	return a.write(c, "download", event)
}

// tellOf is tell of a call that answered an exhaust, and tellOfURLs of it.
func (a *Authorized) tellOf(c access.Caller, action string, event access.Event, job exhaust.Job, err error) error {
	if err = a.tell(c, action, event, err); err != nil {
		return err
	}
	return a.tellOfURLs(c, job)
}

// tellOfURLs tells of each private exhaust whose URLs are about to be given away.
func (a *Authorized) tellOfURLs(c access.Caller, found ...exhaust.Job) error {
	for _, job := range found {
		if job.Dataset != exhaust.PrivateExhaust || len(job.DownloadURLs) == 0 {
			continue
		}
		if err := a.tell(c, "read", access.Event{Channel: job.Channel, Dataset: job.Dataset, RequestID: job.ID, Purpose: job.Purpose}, nil); err != nil {
			return err
		}
	}
	return nil
}

// tell writes to the audit log what a call came to, and returns the call's error. What cannot be told is not answered.
func (a *Authorized) tell(c access.Caller, action string, event access.Event, err error) error {
	event.Outcome = outcomeOf(err)
	return errors.Join(err, a.write(c, action, event))
}

// write writes a line of the audit log.
func (a *Authorized) write(c access.Caller, action string, event access.Event) error {
	event = withoutOddities(event)
	event.At, event.Caller, event.Action = time.Now(), c, action
	if err := a.audit.Write(event); err != nil {
		return &UnavailableError{Dependency: AuditDependency, Err: err}
	}
	return nil
}

// tellRefusal is tell of a refusal that is answered like nothing that was found; without one there is nothing to tell.
func (a *Authorized) tellRefusal(c access.Caller, action string, event access.Event, err error) error {
	if err == nil {
		return nil
	}
	return hide(a.tell(c, action, event, err), nil)
}

// withoutOddities leaves out of an event what has not the form that it should have: it may be anything, such as a secret that
// somebody put into the wrong place.
func withoutOddities(e access.Event) access.Event {
	if exhaust.CheckChannel(e.Channel) != nil {
		e.Channel = ""
	}
	if !slices.Contains(exhaust.Datasets, e.Dataset) {
		e.Dataset = ""
	}
	if !exhaust.IsRequestID(e.RequestID) {
		e.RequestID = ""
	}
	if !access.IsTokenID(e.Subject) { // ids of schedules look the same
		e.Subject = ""
	}
	if exhaust.CheckPurpose(e.Purpose) != nil {
		e.Purpose = ""
	}
	return e
}

// isRefusal reports whether a call was refused for who made it.
func isRefusal(err error) bool {
	_, isForbidden := errors.AsType[*ForbiddenError](err)
	_, isElsewhere := errors.AsType[*NoChannelError](err)
	return isForbidden || isElsewhere
}

// Done is the outcome of what was done.
const Done = "done"

// outcomeOf names what a call came to: one word each, without what was asked for.
func outcomeOf(err error) string {
	var (
		invalid     *exhaust.InvalidError
		credentials *access.CredentialsError
		limit       *access.LimitError
		forbidden   *ForbiddenError
		elsewhere   *NoChannelError
		unavailable *UnavailableError
		away        *access.AwayError
	)
	switch {
	case err == nil:
		return Done
	case errors.As(err, &credentials):
		return "unauthorized"
	case errors.As(err, &forbidden):
		return "forbidden"
	case errors.As(err, &elsewhere):
		return "not the caller's channel"
	case errors.As(err, &limit):
		return "too many requests"
	case errors.As(err, &invalid):
		return "invalid"
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrNoSchedule), errors.Is(err, ErrNoToken):
		return "not found"
	case errors.As(err, &unavailable), errors.As(err, &away), errors.Is(err, exhaust.ErrWindingUp):
		return "unavailable"
	}
	return "failed"
}
