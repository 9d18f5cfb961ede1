package service

import (
	"errors"
	"strings"
	"testing"
	"time"

	"data-exhaust/exhaust"
	"data-exhaust/report"
)

func TestLookingAtAnExhaustTellsOfItsFileAndGivesNothingAway(t *testing.T) {
	s := newService(t)
	a, log := s.callers()
	job := s.file("A", exhaust.PrivateExhaust, report.Options{}) // its header only
	if err := s.jobs.SaveURLs(t.Context(), withSignedURL(job)); err != nil {
		t.Fatal(err)
	}
	got, file, err := a.Look(t.Context(), everything(t), "tag", channel, job.ID)
	if err != nil || got.ID != job.ID || got.Status != exhaust.Success || len(got.DownloadURLs) > 0 || got.ReceiptURL != "" || !got.ExpiresAt.IsZero() {
		t.Errorf("it is %+v, %v", got, err)
	}
	want := File{
		Name: "c.csv", Bytes: int64(len(strings.Join(exhaust.PrivateColumns, ",") + "\n")),
		KeptUntil: got.CompletedAt.Add(s.settings.ReportRetention), LinkLife: s.settings.URLTTL,
	}
	if file != want {
		t.Errorf("its file is %+v, want %+v", file, want)
	}
	if log.String() != "" {
		t.Errorf("the audit log has %s", log.String())
	}
}

func withSignedURL(job exhaust.Job) exhaust.Job {
	job.DownloadURLs, job.ReceiptURL, job.ExpiresAt = []string{"http://exhaust.example/a"}, "http://exhaust.example/b", time.Now().Add(20*time.Hour)
	return job
}

func TestWhereThereIsNoFileLookingSaysWhy(t *testing.T) {
	s := newService(t)
	a, _ := s.callers()
	for want, job := range map[string]exhaust.Job{
		"No data found": s.row("A", 0, func(*exhaust.Job) {}),
		"report expired on 2022-05-06": s.row("B", 0, func(job *exhaust.Job) {
			job.Status, job.Message, job.Report = exhaust.Success, "", "r.csv"
		}),
		exhaust.LossMessage: s.row("C", 0, func(job *exhaust.Job) {
			job.Status, job.Message, job.Report, job.CompletedAt = exhaust.Success, "", "r.csv", time.Now()
		}),
	} {
		got, file, err := a.Look(t.Context(), everything(t), "tag", channel, job.ID)
		if err != nil || got.Message != want || got.Report != "" || file != (File{}) {
			t.Errorf("%q: it is %+v, its file %+v, %v", want, got, file, err)
		}
	}
}

func TestLookingIsForThoseWithTheRightAndToldWhereItIsRefused(t *testing.T) {
	s := newService(t)
	a, log := s.callers()
	job := s.file("A", exhaust.PrivateExhaust, report.Options{})
	lesser := callerOf(t, []string{channel}, "uci-response-exhaust")
	if _, _, err := a.Look(t.Context(), lesser, "tag", channel, job.ID); !isRefusal(err) {
		t.Errorf("without the right: %v", err)
	}
	foreign := callerOf(t, []string{"0666"}, "uci-private-exhaust")
	if _, _, err := a.Look(t.Context(), foreign, "tag", channel, job.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("in another's channel: %v", err)
	}
	if _, _, err := a.Look(t.Context(), everything(t), "another", channel, job.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("by another tag: %v", err)
	}
	for _, outcome := range []string{`"outcome":"forbidden"`, `"outcome":"not the caller's channel"`} {
		if strings.Count(log.String(), outcome) != 1 || strings.Count(log.String(), "\n") != 2 || !strings.Contains(log.String(), job.ID) {
			t.Errorf("the audit log has not %s once:\n%s", outcome, log.String())
		}
	}
}
