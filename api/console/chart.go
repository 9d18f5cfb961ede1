package console

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"html/template"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// chart is bars with their numbers: as a picture that stands by itself, and as a table.
type chart struct {
	// Name is that of its file and of its elements: letters, digits and -.
	Name string
	// Title, Source (what it is a chart of) and Description are in the reader's language.
	Title, Source, Description string
	// IsUpright draws a column for each bar, side by side; else each has a line of its own.
	IsUpright bool
	Bars      []bar
	// Whole is what a bar across the chart stands for, where it is more than the largest one.
	Whole int64
	// write is how the reader writes a number.
	write func(n any) string
	// Heads are the columns of the table, Rows its rows: they may be more than the bars.
	Heads []string
	Rows  [][]cell
}

// bar is one of a chart.
type bar struct {
	Label string
	Value int64
	// Part is how much of the value is drawn in the other colour.
	Part int64
	// Note says the numbers of a bar that has a line of its own; a column has it for who points at it.
	Note string
	// IsRest says that the bar stands for what has no bar of its own.
	IsRest bool
}

// cell is one of a table. Raw is a number as programs read it; "" of text.
type cell struct{ Text, Raw string }

// The sizes of charts. They are drawn as wide as a phone is, so that their text can be read there, and are enlarged by a little
// elsewhere.
const (
	chartWidth = 380
	textSize   = 13
	lineHeight = 18
	barHeight  = 12
	plotHeight = 150
	// partGap parts the two colours of a bar, for those who do not tell them apart.
	partGap = 2
)

// The colours of a chart that stands by itself. Within a page its style sheet has others, by the classes.
const (
	inkColour, softColour, barColour, partColour, restColour, trackColour = "#1b2430", "#55606e", "#0f766e", "#b45309", "#868f9c", "#e9ecf0"
)

// SVG is the picture within a page, which has a headline of its own.
func (c chart) SVG() template.HTML { return template.HTML(c.draw(false)) } // draw escapes all text

// File is the picture as a file, with its headline.
func (c chart) File() []byte { return []byte(c.draw(true)) }

// drawing is a picture that grows downwards.
type drawing struct {
	bytes.Buffer
	y int
}

func (c chart) draw(hasHeadline bool) string {
	d := &drawing{}
	margin := 0
	if hasHeadline {
		margin = 12
		d.headline(c.Title, c.Source)
	}
	if c.IsUpright {
		d.columns(c.Bars, c.write)
	} else {
		d.lines(c.Bars, c.Whole)
	}
	var whole bytes.Buffer
	fmt.Fprintf(&whole, `<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="%d %d %d %d" width="%d" height="%d" role="img" `+
		`aria-labelledby="%s-title %s-desc" font-family="system-ui, Noto Sans, Noto Sans Devanagari, sans-serif" font-size="%d">`,
		-margin, -margin, chartWidth+2*margin, d.y+2*margin, chartWidth+2*margin, d.y+2*margin, c.Name, c.Name, textSize)
	fmt.Fprintf(&whole, `<title id="%s-title">%s</title><desc id="%s-desc">%s</desc>`, c.Name, escape(c.Title), c.Name, escape(c.Description))
	fmt.Fprintf(&whole, `<rect class="ground" x="%d" y="%d" width="%d" height="%d" fill="#ffffff"/>`, -margin, -margin, chartWidth+2*margin, d.y+2*margin)
	whole.Write(d.Bytes())
	whole.WriteString("</svg>")
	return whole.String()
}

// escape is a text within XML and HTML, without what XML cannot hold.
func escape(text string) string {
	var escaped bytes.Buffer
	_ = xml.EscapeText(&escaped, []byte(text)) // a buffer takes all
	return escaped.String()
}

func (d *drawing) headline(title, source string) {
	for _, line := range wrap(title, chartWidth, 3) {
		d.y += lineHeight
		fmt.Fprintf(d, `<text class="ink" x="0" y="%d" font-weight="bold" fill="%s">%s</text>`, d.y-5, inkColour, escape(line))
	}
	for _, line := range wrap(source, chartWidth, 2) {
		d.y += lineHeight
		fmt.Fprintf(d, `<text class="soft" x="0" y="%d" fill="%s">%s</text>`, d.y-5, softColour, escape(line))
	}
	d.y += 10
}

// lines draws each bar on a line of its own, below its label, with its numbers at the end of the label's last line.
func (d *drawing) lines(bars []bar, whole int64) {
	most := max(whole, 1)
	for _, b := range bars {
		most = max(most, b.Value)
	}
	for i, b := range bars {
		b.Label = shorten(b.Label)
		if i > 0 {
			d.y += 10
		}
		fmt.Fprintf(d, `<g><title>%s: %s</title>`, escape(isolate(b.Label)), escape(b.Note))
		for _, line := range wrap(b.Label, max(chartWidth-int(textWidth(b.Note))-12, chartWidth/3), 2) {
			d.y += lineHeight
			fmt.Fprintf(d, `<text class="ink" x="0" y="%d" fill="%s">%s</text>`, d.y-5, inkColour, escape(line))
		}
		fmt.Fprintf(d, `<text class="ink" x="%d" y="%d" text-anchor="end" fill="%s">%s</text>`, chartWidth, d.y-5, inkColour, escape(b.Note))
		y := float64(d.y)
		d.rect("track", trackColour, 0, y, chartWidth, barHeight)
		width, part := share(b.Value, most, chartWidth), share(b.Part, most, chartWidth)
		if b.IsRest {
			d.rect("rest", restColour, 0, y, width, barHeight)
		} else {
			gap := 0.0
			if part > 0 {
				gap = partGap
			}
			d.rect("bar", barColour, 0, y, max(width-part-gap, 0), barHeight)
			d.rect("part", partColour, width-part, y, part, barHeight)
		}
		d.WriteString(`</g>`)
		d.y += barHeight
	}
}

// columns draws the bars side by side over a scale.
func (d *drawing) columns(bars []bar, write func(n any) string) {
	most := int64(1)
	for _, b := range bars {
		most = max(most, b.Value)
	}
	step := stepOf(most)
	top := (most + step - 1) / step * step
	left := textWidth(write(top)) + 8
	bottom := d.y + lineHeight/2 + plotHeight
	for tick := int64(0); tick <= top; tick += step {
		y := float64(bottom) - share(tick, top, plotHeight)
		fmt.Fprintf(d, `<line class="grid" x1="%.1f" x2="%d" y1="%.1f" y2="%.1f" stroke="%s"/>`, left, chartWidth, y, y, trackColour)
		fmt.Fprintf(d, `<text class="soft" x="%.1f" y="%.1f" text-anchor="end" fill="%s">%s</text>`, left-6, y+4.5, softColour, write(tick))
	}
	slot := (chartWidth - left) / float64(max(1, len(bars)))
	width := min(slot*0.8, 36)
	free := left // where the next label may begin
	for i, b := range bars {
		middle := left + (float64(i)+0.5)*slot
		height := share(b.Value, top, plotHeight)
		fmt.Fprintf(d, `<g><title>%s: %s</title>`, escape(isolate(b.Label)), escape(b.Note))
		fmt.Fprintf(d, `<rect class="slot" x="%.2f" y="%d" width="%.2f" height="%d" fill="#ffffff" fill-opacity="0"/>`,
			middle-slot/2, bottom-plotHeight, slot, plotHeight)
		d.rect("bar", barColour, middle-width/2, float64(bottom)-height, width, height)
		d.WriteString(`</g>`)
		if half := textWidth(b.Label) / 2; middle-half >= free && middle+half <= chartWidth || len(bars) == 1 {
			fmt.Fprintf(d, `<text class="soft" x="%.1f" y="%d" text-anchor="middle" fill="%s">%s</text>`,
				middle, bottom+lineHeight, softColour, escape(b.Label))
			free = middle + half + 14
		}
	}
	d.y = bottom + lineHeight + 6
}

// rect draws a part of a bar; none that nobody would see.
func (d *drawing) rect(class, colour string, x, y, width, height float64) {
	if width > 0 && height > 0 {
		fmt.Fprintf(d, `<rect class="%s" x="%.2f" y="%.2f" width="%.2f" height="%.2f" fill="%s"/>`, class, x, y, width, height, colour)
	}
}

// share is a part of a length.
func share(n, of int64, length float64) float64 { return float64(n) / float64(of) * length }

// stepOf is the distance between the ticks of a scale that has at most four beside its zero: 1, 2 or 5 and zeros.
func stepOf(most int64) int64 {
	for scale := int64(1); ; scale *= 10 {
		for _, digit := range []int64{1, 2, 5} {
			if step := digit * scale; (most-1)/step < 4 {
				return step
			}
		}
	}
}

// textWidth is about how wide a text is drawn.
func textWidth(text string) float64 {
	width := 0.0
	for clusters := uniseg.NewGraphemes(text); clusters.Next(); {
		width += clusterWidth(clusters)
	}
	return width
}

// clusterWidth is about how wide a sign of a text is drawn, and rather too much: what is wider than that is drawn over a number.
func clusterWidth(clusters *uniseg.Graphemes) float64 {
	if clusters.Width() == 2 {
		return widest
	}
	width := 0.0
	for _, r := range clusters.Runes() {
		width += signWidth(r)
	}
	return width
}

// letter is about how wide most letters are, widest how wide those are that fill a square.
const letter, widest = 8.2, 13.5

// widths are those of signs that are narrower than most, or wider.
var widths = map[float64]string{
	4: " ijl.,:;'|!", 5.4: "frtI()[]/-·", 7.3: "acekszvxy0123456789", widest: "mwMW@%&—…жшщюфы", 22: "ணஞஔஐണഞഔൺഋ",
}

var widthOf = func() map[rune]float64 {
	of := map[rune]float64{}
	for width, signs := range widths {
		for _, sign := range signs {
			of[sign] = width
		}
	}
	return of
}()

// signWidth is that of a sign by itself: in the scripts of India, of which Tamil and Malayalam are the widest, vowel signs take less
// room, and marks none.
func signWidth(r rune) float64 {
	const capital, indian, tamil, vowel = 10.3, 10.5, 15.0, 7.5
	if width, isKnown := widthOf[r]; isKnown {
		return width
	}
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case r >= 0x0B80 && r < 0x0C00 || r >= 0x0D00 && r < 0x0D80:
		return tamil
	case r >= 0x0900 && r < 0x0E00 && unicode.Is(unicode.Mc, r):
		return vowel
	case r >= 0x0900 && r < 0x0E00:
		return indian
	case unicode.IsUpper(r):
		return capital
	}
	return letter
}

// wrap breaks a text into lines of that width at the most, between words, and within one only where it is longer than a line. What
// does not fit into so many lines is cut, and ends in an ellipsis.
//
// Invariant: each line measures each word that it takes once, and one more. Text is a stranger's, and signs without a width fill no
// line.
func wrap(text string, width, lines int) []string {
	var wrapped []string
	space := textWidth(" ")
	for words := strings.Fields(shorten(text)); len(words) > 0; {
		line, taken := "", -space
		for len(words) > 0 {
			if taken += space + textWidth(words[0]); taken > float64(width) {
				break
			}
			line, words = strings.TrimSpace(line+" "+words[0]), words[1:]
		}
		if line == "" {
			if line, words[0] = split(words[0], width); words[0] == "" {
				words = words[1:]
			}
		}
		if len(wrapped) == lines-1 && len(words) > 0 {
			head, _ := split(line+" "+words[0], width-10)
			return append(wrapped, strings.TrimSpace(head)+"…")
		}
		wrapped = append(wrapped, line)
	}
	return wrapped
}

// maxText is how many signs of a text are drawn at the most, whatever their widths.
const maxText = 300

// shorten is a text with so many signs as are drawn, and an ellipsis where that is less than all.
func shorten(text string) string {
	clusters := uniseg.NewGraphemes(text)
	for range maxText {
		if !clusters.Next() {
			return text
		}
	}
	if _, end := clusters.Positions(); end < len(text) {
		return text[:end] + "…"
	}
	return text
}

// viramas join the letter before them to the one behind, in the scripts of India.
const viramas = "\u094D\u09CD\u0A4D\u0ACD\u0B4D\u0BCD\u0C4D\u0CCD\u0D4D"

// split splits a text behind the last letter that fits, or behind its first. Letters that a virama joins are one.
func split(text string, width int) (head, tail string) {
	taken := 0.0
	for clusters := uniseg.NewGraphemes(text); clusters.Next(); {
		_, end := clusters.Positions()
		if taken += clusterWidth(clusters); head != "" && taken > float64(width) {
			break
		}
		if last, _ := utf8.DecodeLastRuneInString(text[:end]); !strings.ContainsRune(viramas, last) || end == len(text) {
			head = text[:end]
		}
	}
	return head, text[len(head):]
}

// cut is the first line of so many letters of a text, for headlines.
func cut(text string, letters int) string {
	return strings.Join(wrap(text, int(float64(letters)*letter), 1), "")
}
