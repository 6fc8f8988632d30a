package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"nimbus/frontend/bundle"
	"nimbus/frontend/tokenizer"
	"nimbus/internal/fixed"
	"nimbus/ir"
	"nimbus/runtime"
)

// labelsFile is the bundle's file with the names of the classes, a JSON list.
const labelsFile = "labels.json"

// A reader turns texts into a plan's inputs and its outputs into answers.
type reader struct {
	prog   *runtime.Program
	tok    *tokenizer.Tokenizer
	labels []string
}

func newReader(prog *runtime.Program, bundle runtime.Bundle) (*reader, error) {
	tok, err := tokenizer.Load(bundle.FS())
	if err != nil {
		return nil, err
	}
	r := &reader{prog: prog, tok: tok}
	if data, ok := bundle[labelsFile]; ok {
		if err := json.Unmarshal(data, &r.labels); err != nil {
			return nil, fmt.Errorf("%s: %w", labelsFile, err)
		}
	}
	return r, nil
}

// inputs tokenizes text to the plan's length.
func (r *reader) inputs(text string, truncate bool) (map[string][]uint64, int, error) {
	if strings.TrimSpace(text) == "" {
		return nil, 0, errors.New("the text is empty")
	}
	enc, err := r.tok.Encode(text, r.prog.Seq, truncate)
	if err != nil {
		return nil, 0, err
	}
	in, err := encodeInputs(r.prog.Inputs(), enc)
	return in, enc.Len, err
}

// encodeInputs fills main's parameters, which must be named ids, types, mask and
// pool, in any order and number.
func encodeInputs(params []runtime.Input, enc tokenizer.Encoding) (map[string][]uint64, error) {
	out := map[string][]uint64{}
	for _, p := range params {
		var from []int
		switch p.Name {
		case "pool":
			v := make([]uint64, len(enc.Mask))
			for i, x := range enc.Pool() {
				var err error
				if v[i], err = fixed.Encode(x, p.Type.Elem.Width, p.Type.Elem.Frac); err != nil {
					return nil, fmt.Errorf("%%%s: %w", p.Name, err)
				}
			}
			if len(v) != p.Type.NumElems() {
				return nil, fmt.Errorf("the plan wants %s for %%%s, the text has %d", p.Type, p.Name, len(v))
			}
			out[p.Name] = v
			continue
		case "ids":
			from = enc.IDs
		case "types":
			from = enc.Types
		case "mask":
			from = enc.Mask
		default:
			return nil, fmt.Errorf("the plan wants an input %%%s of type %s; a text has ids, types, mask and pool", p.Name, p.Type)
		}
		if len(from) != p.Type.NumElems() {
			return nil, fmt.Errorf("the plan wants %s for %%%s, the text has %d", p.Type, p.Name, len(from))
		}
		v := make([]uint64, len(from))
		for i, x := range from {
			v[i] = uint64(x)
		}
		out[p.Name] = v
	}
	return out, nil
}

// answer decodes main's first result, the logits.
func (r *reader) answer(out [][]uint64) (*bundle.Answer, error) {
	if len(out) == 0 || out[0] == nil {
		return nil, errors.New("the plan reveals nothing to the client")
	}
	elem := r.prog.Main.Results[0].Elem
	logits := make([]float64, len(out[0]))
	for i, x := range out[0] {
		if elem.Kind == ir.Fx {
			logits[i] = fixed.Decode(x, elem.Width, elem.Frac)
		} else {
			logits[i] = float64(x)
		}
	}
	return bundle.NewAnswer(logits, r.labels)
}

// printAccount prints what a run took, for people.
func printAccount(w io.Writer, rep *runtime.Report) {
	fmt.Fprintf(w, "  offline    %.2f s, %s (before the text is needed)\n", rep.Offline.Seconds, bothWays(rep.Offline))
	fmt.Fprintf(w, "  online     %.2f s, %s\n", rep.Online.Seconds, bothWays(rep.Online))
	fmt.Fprintf(w, "  rounds     %g online, %g offline\n", rep.Online.Rounds, rep.Offline.Rounds)
}

func bothWays(p runtime.Phase) string {
	return fmt.Sprintf("%s sent, %s received", runtime.FormatBytes(p.BytesSent), runtime.FormatBytes(p.BytesReceived))
}
