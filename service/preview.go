package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"data-exhaust/blob"
	"data-exhaust/exhaust"
	"data-exhaust/report"
)

// PreviewOptions say how a preview is shown.
type PreviewOptions struct {
	// Reveal shows phone numbers, which are masked otherwise.
	Reveal bool
}

// Preview is the beginning of an exhaust's file: 50 rows, or fewer where they are very long.
type Preview struct {
	Header []string
	Rows   [][]PreviewCell
	// IsWhole tells that the file has no more rows.
	IsWhole bool
	// HasNumbers tells that there are phone numbers among the cells, IsMasked that they are masked.
	HasNumbers, IsMasked bool
}

// PreviewCell is a cell of at most 300 characters, all but the last two of a phone number as •.
type PreviewCell struct {
	Text string
	// IsCut tells that the file's cell is longer.
	IsCut, IsMasked bool
}

const (
	previewRows       = 50
	previewCharacters = 300
	// previewBytes is how much of a file is read at the most.
	previewBytes = 16 << 20
)

// Preview is the beginning of the file of an exhaust that succeeded.
func (s *Exhausts) Preview(ctx context.Context, tag, channel, requestID string, options PreviewOptions, may ...Permission) (exhaust.Job, Preview, error) {
	job, err := s.findReport(ctx, tag, channel, requestID, may, exhaust.NoFileYet, exhaust.FileGone)
	if err != nil {
		return job, Preview{}, err
	}
	preview, err := s.preview(ctx, job)
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return job, Preview{}, exhaust.Invalid(exhaust.FileGone, exhaust.LossMessage)
	case errors.Is(err, report.ErrNoRecord):
		return job, Preview{}, fmt.Errorf("reading the file of exhaust %s: %w", job.ID, err)
	case err != nil:
		return job, Preview{}, &UnavailableError{ReportsDependency, err}
	}
	if job.Dataset == exhaust.PrivateExhaust {
		preview.markNumbers(!options.Reveal)
	}
	return job, preview, nil
}

// preview reads a report in the dialect of the settings, and one that was written before they were changed in the other.
func (s *Exhausts) preview(ctx context.Context, job exhaust.Job) (Preview, error) {
	dialects := []report.Dialect{report.RFC4180, report.Spark}
	if s.settings.CSVDialect == report.Spark {
		slices.Reverse(dialects)
	}
	preview, err := s.previewIn(ctx, dialects[0], job)
	if !errors.Is(err, report.ErrNoRecord) {
		return preview, err
	}
	if preview, second := s.previewIn(ctx, dialects[1], job); !errors.Is(second, report.ErrNoRecord) {
		return preview, second
	}
	return Preview{}, err
}

func (s *Exhausts) previewIn(ctx context.Context, dialect report.Dialect, job exhaust.Job) (_ Preview, err error) {
	file, err := s.reports.Open(ctx, job.Report)
	if err != nil {
		return Preview{}, err
	}
	// Of a file that was not read to its end, nothing is lost where closing it fails.
	defer file.Close()
	columns := exhaust.ResponseColumns
	if job.Dataset == exhaust.PrivateExhaust {
		columns = exhaust.PrivateColumns
	}
	return readPreview(file, dialect, columns)
}

// readPreview reads the beginning of a file with these columns: another header, or a row of more or fewer cells, is
// [report.ErrNoRecord], since a phone number might stand anywhere in it.
func readPreview(file io.Reader, dialect report.Dialect, columns []string) (preview Preview, err error) {
	bounded := &io.LimitedReader{R: file, N: previewBytes}
	reader := report.NewCSVReader(bounded, dialect, previewCharacters)
	header, err := reader.Read()
	if errors.Is(err, io.EOF) || err == nil && !slices.Equal(texts(header), columns) {
		err = fmt.Errorf("%w: the header is another", report.ErrNoRecord)
	}
	if err != nil {
		return Preview{}, err
	}
	preview.Header = columns
	for len(preview.Rows) < previewRows {
		row, err := reader.Read()
		switch {
		case bounded.N <= 0 && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)):
			return preview, nil // the file goes on
		case errors.Is(err, io.EOF):
			preview.IsWhole = true
			return preview, nil
		case errors.Is(err, io.ErrUnexpectedEOF): // as a file of the other dialect may seem to
			return Preview{}, fmt.Errorf("%w: the last row breaks off", report.ErrNoRecord)
		case err != nil:
			return Preview{}, err
		case len(row) != len(columns):
			return Preview{}, fmt.Errorf("%w: a row has %d cells, the header %d", report.ErrNoRecord, len(row), len(columns))
		}
		preview.addRow(row)
	}
	hasMore, err := reader.HasMore()
	if err != nil {
		return Preview{}, err
	}
	preview.IsWhole = !hasMore && bounded.N > 0
	return preview, nil
}

func texts(cells []report.Cell) []string {
	texts := make([]string, len(cells))
	for i, cell := range cells {
		texts[i] = cell.Text
	}
	return texts
}

func (p *Preview) addRow(cells []report.Cell) {
	row := make([]PreviewCell, len(cells))
	for i, cell := range cells {
		row[i] = PreviewCell{Text: cell.Text, IsCut: cell.IsCut}
	}
	p.Rows = append(p.Rows, row)
}

// markNumbers finds the phone numbers of a private exhaust, and masks them where that is wanted.
func (p *Preview) markNumbers(isMasked bool) {
	for _, row := range p.Rows {
		cell := &row[exhaust.DecryptedIDColumn]
		if *cell == row[exhaust.DeviceUUIDColumn] {
			continue
		}
		p.HasNumbers, p.IsMasked = true, isMasked
		if isMasked {
			cell.Text, cell.IsMasked = mask(cell.Text), true
		}
	}
}

// mask shows the last two characters of a text that has more.
func mask(text string) string {
	const visible = 2
	characters := []rune(text)
	hidden := len(characters) - visible
	if hidden <= 0 {
		hidden = len(characters)
	}
	return strings.Repeat("•", hidden) + string(characters[hidden:])
}
