package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// An example is one text, or two, with what a task's owner says of it: the
// number of a class, a score, or a class for every word.
type example struct {
	place string
	texts []string  // of a tokens task the words
	want  []float64 // one, or one per word
}

// readLabelled reads at most limit examples (0: all) of a task.
func readLabelled(c *console, name string, t *task, labels []string, limit int) ([]example, error) {
	display, text, err := readPlain(c, name)
	if err != nil {
		return nil, err
	}
	read := readTable
	if t.words {
		read = readWords
	}
	out, err := read(display, text, t, labels, limit)
	if err == nil && len(out) == 0 {
		err = hinted(fmt.Errorf("%s: no labelled text in it", display), "%s", t.format)
	}
	return out, err
}

// A row of a table and where it begins.
type row struct {
	place  string
	fields []string
}

// rows cuts a file into rows: at commas, with quotes, if its name ends in .csv,
// else at tabs.
func rows(display, text string) ([]row, error) {
	var out []row
	text = strings.TrimPrefix(text, "\ufeff")
	if !strings.HasSuffix(display, ".csv") {
		n := 0
		for line := range strings.Lines(text) {
			n++
			if line = strings.TrimRight(line, "\r\n"); strings.TrimSpace(line) != "" {
				out = append(out, row{fmt.Sprintf("%s:%d", display, n), strings.Split(line, "\t")})
			}
		}
		return out, nil
	}
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord = -1
	for {
		fields, err := r.Read()
		var wrong *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return out, nil
		case errors.As(err, &wrong):
			return nil, hinted(fmt.Errorf("%s:%d: %w", display, wrong.Line, wrong.Err), "a file that ends in .csv has commas between columns and quotes around a text that has one")
		case err != nil:
			return nil, fmt.Errorf("%s: %w", display, err)
		}
		line, _ := r.FieldPos(0)
		out = append(out, row{fmt.Sprintf("%s:%d", display, line), fields})
	}
}

// headers are what the last column of a header line may be called.
var headers = []string{"label", "labels", "score"}

// readTable reads a text, or two, and a label or score from each row. A first
// line whose last column is called label or score is a header.
func readTable(display, text string, t *task, labels []string, limit int) ([]example, error) {
	table, err := rows(display, text)
	if err != nil {
		return nil, err
	}
	if len(table) > 0 && slices.Contains(headers, strings.ToLower(strings.TrimSpace(table[0].fields[len(table[0].fields)-1]))) {
		table = table[1:]
	}
	var out []example
	for _, r := range table {
		n := len(r.fields)
		if n < t.texts[0]+1 || n > t.texts[1]+1 {
			return nil, hinted(fmt.Errorf("%s: %d columns, want %s", r.place, n, t.columns()), "%s", t.format)
		}
		if first := len(table[0].fields); n != first {
			return nil, fmt.Errorf("%s: %d columns, but the first row has %d", r.place, n, first)
		}
		want, err := t.target(strings.TrimSpace(r.fields[n-1]), labels)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.place, err)
		}
		if out = append(out, example{r.place, r.fields[:n-1], []float64{want}}); limit > 0 && len(out) == limit {
			break
		}
	}
	return out, nil
}

// readWords reads a word and its label from each line; an empty line ends a text.
func readWords(display, text string, t *task, labels []string, limit int) ([]example, error) {
	var out []example
	open, n := false, 0
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		n++
		place := fmt.Sprintf("%s:%d", display, n)
		fields := strings.Fields(line)
		if len(fields) == 0 {
			open = false
			continue
		}
		if len(fields) < 2 {
			return nil, hinted(fmt.Errorf("%s: a word and its label are expected", place), "%s", t.format)
		}
		want, err := t.target(fields[len(fields)-1], labels)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", place, err)
		}
		if !open {
			if limit > 0 && len(out) == limit {
				break
			}
			out, open = append(out, example{place: place}), true
		}
		e := &out[len(out)-1]
		e.texts, e.want = append(e.texts, fields[0]), append(e.want, want)
	}
	return out, nil
}

// classOf reads a label: a number from 0, or a name of the model's.
func classOf(label string, labels []string) (float64, error) {
	if i := slices.Index(labels, label); i >= 0 {
		return float64(i), nil
	}
	if n, err := strconv.Atoi(label); err == nil && n >= 0 && n < len(labels) {
		return float64(n), nil
	}
	if label == "" {
		return 0, errors.New("the label is missing")
	}
	return 0, fmt.Errorf("label %q is neither a number from 0 to %d nor one of %s", label, len(labels)-1, strings.Join(labels, ", "))
}

// scoreOf reads a score.
func scoreOf(label string, _ []string) (float64, error) {
	x, err := strconv.ParseFloat(label, 64)
	switch {
	case label == "":
		return 0, errors.New("the score is missing")
	case err != nil || math.IsNaN(x) || math.IsInf(x, 0):
		return 0, fmt.Errorf("the score %q is not a number", label)
	}
	return x, nil
}
