package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"nimbus/frontend/bundle"
	"nimbus/frontend/values"
	"nimbus/ir"
	"nimbus/ir/eval"
	"nimbus/runtime"
)

// labelsFile is the bundle's file with the names of the classes, a JSON list.
const labelsFile = "labels.json"

// A reader turns what the client has into a plan's inputs and the plan's outputs
// into answers.
type reader struct {
	*bundle.Reader
	prog *runtime.Program
}

func newReader(prog *runtime.Program, files runtime.Bundle) (*reader, error) {
	labels := prog.Module.Attrs.Strs("labels")
	if data, ok := files[labelsFile]; ok {
		if err := json.Unmarshal(data, &labels); err != nil {
			return nil, fmt.Errorf("%s: %w", labelsFile, err)
		}
	}
	for i, l := range labels { // the server's text, for the client's terminal
		labels[i] = strings.Map(printable, l)
	}
	r, err := bundle.NewReader(prog.Module, files.FS(), labels, ir.Client)
	return &reader{r, prog}, err
}

func printable(r rune) rune {
	if !unicode.IsPrint(r) {
		return '.'
	}
	return r
}

// rings are the ring elements of inputs.
func rings(in map[string]eval.Value) map[string][]uint64 {
	out := map[string][]uint64{}
	for name, v := range in {
		out[name] = v.Ring
	}
	return out
}

// answer decodes what a run revealed to the client.
func (r *reader) answer(in *bundle.Input, out [][]uint64) (*bundle.Answer, error) {
	return r.Answer(in, revealed(r.prog, out))
}

// revealed gives a run's outputs their types; what is not for this party stays
// empty.
func revealed(prog *runtime.Program, out [][]uint64) []eval.Value {
	vs := make([]eval.Value, len(out))
	for i, x := range out {
		vs[i] = eval.Value{Type: prog.Main.Results[i], Ring: x}
	}
	return vs
}

// serverInputs reads the server's own inputs.
func serverInputs(prog *runtime.Program, args []string) (map[string][]uint64, error) {
	lists, err := values.Flags("-input", args, openFile)
	if err != nil {
		return nil, err
	}
	var own []*ir.Value
	for _, p := range prog.Main.Params {
		if bundle.Owner(p) == ir.Server {
			own = append(own, p)
		}
	}
	in, err := values.Bind("-input", own, lists)
	return rings(in), err
}

func openFile(name string) ([]byte, error) { return values.Open(name, os.Stdin) }

// printAccount prints what a run took, for people.
func printAccount(w io.Writer, rep *runtime.Report) {
	fmt.Fprintf(w, "  offline    %.2f s, %s (before the input is needed)\n", rep.Offline.Seconds, bothWays(rep.Offline))
	fmt.Fprintf(w, "  online     %.2f s, %s\n", rep.Online.Seconds, bothWays(rep.Online))
	fmt.Fprintf(w, "  rounds     %g online, %g offline\n", rep.Online.Rounds, rep.Offline.Rounds)
	if k := rep.Prepared; k != nil {
		from := "made in this session"
		if k.Item > 0 {
			from = fmt.Sprintf("item %d of an earlier session", k.Item)
		}
		fmt.Fprintf(w, "  prepared   %s; %d more are left\n", from, k.Left)
		if k.Problem != "" {
			fmt.Fprintf(w, "  note       %s\n", k.Problem)
		}
	}
}

func bothWays(p runtime.Phase) string {
	return fmt.Sprintf("%s sent, %s received", runtime.FormatBytes(p.BytesSent), runtime.FormatBytes(p.BytesReceived))
}
