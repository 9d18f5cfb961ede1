package exhaust

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// WorkflowID is the id of the workflow that makes the exhaust.
func WorkflowID(requestID string) string { return "exhaust-" + requestID }

// The names of the reports store.
const (
	// StagingPrefix begins the names of all that exhausts stage.
	StagingPrefix = "staging/"
	slicesPrefix  = "slices/"
)

// StagingOf begins the names of all that an exhaust stages, StagingOfRun of what one run of its workflow does.
func StagingOf(requestID string) string           { return StagingPrefix + requestID + "/" }
func StagingOfRun(requestID, runID string) string { return StagingOf(requestID) + runID + "/" }

// IsStaged reports whether the names that begin with a prefix are those of files that one run has staged.
func IsStaged(prefix string) bool { return strings.HasPrefix(prefix, StagingPrefix) }

// SlicesOf begins the names of a conversation's slices.
func SlicesOf(conversationID string) string { return slicesPrefix + foldUUID(conversationID) + "/" }

// foldUUID spells a uuid in lower case, and leaves alone what is none.
func foldUUID(id string) string {
	if _, isUUID := ParseDeviceID(id); isUUID {
		return strings.ToLower(id)
	}
	return id
}

// ReportsOf begins the names of all reports of a dataset.
func ReportsOf(d Dataset) string { return string(d) + "/" }

// ReportPrefix begins the names of all reports of the exhaust, on whatever day they are completed.
func (r Request) ReportPrefix() string { return ReportsOf(r.Dataset) + r.ID + "/" }

// ReportName is the name of the exhaust's file when it is completed on day (contract section 6). conversationID is spelled as
// the registry has it.
func (r Request) ReportName(conversationID string, completed Day) string {
	kind := "response"
	if r.Dataset == PrivateExhaust {
		kind = "userinfo"
	}
	return fmt.Sprintf("%s%s_%s_%s.csv", r.ReportPrefix(), conversationID, kind, strings.ReplaceAll(string(completed), "-", ""))
}

// ReceiptName is the name of a report's receipt (contract section 6).
func ReceiptName(report string) string { return report + ".receipt.json" }

// SummaryName is the name of a report's summary (contract section 6).
func SummaryName(report string) string { return report + ".summary.json" }

// DefaultSummaryMinDevices is how many devices have given an answer at least for a summary to list it (contract section 6).
const DefaultSummaryMinDevices = 5

// FilesOf are the names of all files of a report: those beside it first, so that it is deleted last.
func FilesOf(report string) []string {
	return []string{SummaryName(report), ReceiptName(report), report}
}

// RequestOf is the requestId in a name that begins with one of the prefixes of all exhausts.
func RequestOf(name, prefix string) string {
	requestID, _, _ := strings.Cut(strings.TrimPrefix(name, prefix), "/")
	return requestID
}

// IsReportOf returns a test of whether an object of that name is one of FilesOf a report of the conversation. The whole
// last segment counts: a_response_b is another conversation than a. The letter case of a uuid does not.
func IsReportOf(conversationID string) func(name string) bool {
	conversation := regexp.QuoteMeta(conversationID)
	if _, isUUID := ParseDeviceID(conversationID); isUUID {
		conversation = `(?i:` + conversation + `)`
	}
	report := regexp.MustCompile(`^` + conversation + `_(response|userinfo)_[0-9]{8}\.(csv|zip)(\.(receipt|summary)\.json)?$`)
	return func(name string) bool { return report.MatchString(path.Base(name)) }
}
