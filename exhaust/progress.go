package exhaust

// Phase is the step that an exhaust is in.
type Phase string

const (
	Fetching Phase = "FETCHING"
	Joining  Phase = "JOINING"
	Building Phase = "BUILDING"
	Signing  Phase = "SIGNING"
	Done     Phase = "DONE"
)

// Progress counts what an exhaust has done in this attempt. Bytes are those of telemetry objects
// as stored (compressed).
type Progress struct {
	Phase         Phase `json:"phase"`
	BytesTotal    int64 `json:"bytesTotal"`
	BytesRead     int64 `json:"bytesRead"`
	EventsMatched int64 `json:"eventsMatched"`
	// Repeats counts events that were delivered before (contract section 3).
	Repeats     int64 `json:"repeats"`
	RowsWritten int64 `json:"rowsWritten"`
	// LinesSkipped counts lines that were no JSON object or longer than 16 MiB.
	LinesSkipped int64 `json:"linesSkipped"`
	// RowsUnknownDevice counts rows left out because the registry does not know their device.
	RowsUnknownDevice int64 `json:"rowsUnknownDevice"`
	// ConsentUnreadable counts devices whose recorded consent could not be read and so counts as refused.
	ConsentUnreadable int64 `json:"consentUnreadable"`
	// Undecryptable counts devices whose phone number was due and did not decrypt.
	Undecryptable int64 `json:"undecryptable"`
	Percent       int   `json:"percent"`
	// Waiting says what a step that is being tried again waits for, in one sentence without data; "" while none is. It
	// is read off the running step, never kept.
	Waiting string `json:"waiting,omitempty"`
}

// Heartbeat is the progress that a running activity reports of itself.
type Heartbeat struct {
	// Phase is the one that the activity has reached; "" in one that only reads telemetry.
	Phase             Phase `json:"phase,omitempty"`
	BytesRead         int64 `json:"bytesRead,omitempty"`
	EventsMatched     int64 `json:"eventsMatched,omitempty"`
	LinesSkipped      int64 `json:"linesSkipped,omitempty"`
	Repeats           int64 `json:"repeats,omitempty"`
	ConsentUnreadable int64 `json:"consentUnreadable,omitempty"`
	RowsUnknownDevice int64 `json:"rowsUnknownDevice,omitempty"`
	RowsWritten       int64 `json:"rowsWritten,omitempty"`
}

// Raise makes no count smaller than the other's, nor the phase an earlier one.
func (h *Heartbeat) Raise(other Heartbeat) {
	if phaseOrder[other.Phase] > phaseOrder[h.Phase] {
		h.Phase = other.Phase
	}
	h.Repeats = max(h.Repeats, other.Repeats)
	h.ConsentUnreadable = max(h.ConsentUnreadable, other.ConsentUnreadable)
	h.RowsUnknownDevice = max(h.RowsUnknownDevice, other.RowsUnknownDevice)
	h.BytesRead = max(h.BytesRead, other.BytesRead)
	h.EventsMatched = max(h.EventsMatched, other.EventsMatched)
	h.LinesSkipped = max(h.LinesSkipped, other.LinesSkipped)
	h.RowsWritten = max(h.RowsWritten, other.RowsWritten)
}

// Add counts what an activity that has not succeeded yet has done.
func (p *Progress) Add(h Heartbeat) {
	p.BytesRead = min(p.BytesRead+h.BytesRead, p.BytesTotal)
	p.EventsMatched += h.EventsMatched
	p.LinesSkipped += h.LinesSkipped
	p.Repeats += h.Repeats
	p.ConsentUnreadable += h.ConsentUnreadable
	p.RowsUnknownDevice += h.RowsUnknownDevice
	p.RowsWritten += h.RowsWritten
	if phaseOrder[h.Phase] > phaseOrder[p.Phase] {
		p.Phase = h.Phase
	}
}

// Raise makes no count smaller than the other's, nor the phase an earlier one.
func (p *Progress) Raise(other Progress) {
	if phaseOrder[other.Phase] > phaseOrder[p.Phase] {
		p.Phase = other.Phase
	}
	p.BytesTotal = max(p.BytesTotal, other.BytesTotal)
	p.BytesRead = max(p.BytesRead, other.BytesRead)
	p.EventsMatched = max(p.EventsMatched, other.EventsMatched)
	p.Repeats = max(p.Repeats, other.Repeats)
	p.RowsWritten = max(p.RowsWritten, other.RowsWritten)
	p.LinesSkipped = max(p.LinesSkipped, other.LinesSkipped)
	p.RowsUnknownDevice = max(p.RowsUnknownDevice, other.RowsUnknownDevice)
	p.ConsentUnreadable = max(p.ConsentUnreadable, other.ConsentUnreadable)
	p.Undecryptable = max(p.Undecryptable, other.Undecryptable)
	p.Percent = max(p.Percent, other.Percent)
}

var phaseOrder = map[Phase]int{Fetching: 1, Joining: 2, Building: 3, Signing: 4, Done: 5}

// RaisePercent brings Percent up to what phase and counts say: reading telemetry takes it from 0 to 80 by bytes, joining
// leaves it there, building takes it from 85 to 95 by rows, signing is 98, and only an exhaust that succeeded is 100.
func (p *Progress) RaisePercent() { p.Percent = max(p.Percent, p.estimatePercent()) }

func (p *Progress) estimatePercent() int {
	const fetchShare = 80
	switch p.Phase {
	case Fetching:
		if p.BytesTotal == 0 {
			return 0
		}
		return int(fetchShare * min(p.BytesRead, p.BytesTotal) / p.BytesTotal)
	case Joining:
		return fetchShare
	case Building:
		built := int64(0)
		if p.EventsMatched > 0 {
			built = 10 * min(p.RowsWritten, p.EventsMatched) / p.EventsMatched
		}
		return 85 + int(built)
	case Signing:
		return 98
	case Done:
		return 100
	}
	return 0
}
