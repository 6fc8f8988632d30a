package runtime

import (
	"fmt"
	"io"

	"nimbus/internal/prg"
	"nimbus/internal/z2k"
	"nimbus/ir"
	"nimbus/runtime/artifact"
	"nimbus/runtime/he"
	"nimbus/runtime/share"
)

// kindPublic is the kind of an artefact's section that holds a public table
// in the clear, bit-packed.
const kindPublic = "public"

func publicSection(w *ir.Weight) artifact.SectionInfo {
	return artifact.SectionInfo{
		Name: w.Name, Kind: kindPublic, Rows: w.Type.Shape[0],
		Bytes: int64(z2k.PackedLen(w.Type.NumElems(), w.Type.Elem.Width)),
	}
}

// writePublic returns what writes the section of a public table.
func writePublic(w *ir.Weight) func(io.Writer, *he.SecretKey, he.SectionID, []uint64, *prg.PRG, func(int)) error {
	return func(out io.Writer, _ *he.SecretKey, _ he.SectionID, v []uint64, _ *prg.PRG, progress func(int)) error {
		if _, err := out.Write(z2k.Pack(nil, v, w.Type.Elem.Width)); err != nil {
			return err
		}
		progress(w.Type.Shape[0])
		return nil
	}
}

// table returns a public table of the plan from the client's artefact.
func (st *Stock) table(w *ir.Weight) ([]uint64, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if v, ok := st.tables[w.Name]; ok {
		return v, nil
	}
	sec, err := st.section(w.Name)
	if err != nil {
		return nil, err
	}
	if sec.Kind != kindPublic {
		return nil, fmt.Errorf("section %s is %s, expected %s; run setup again", sec.Name, sec.Kind, kindPublic)
	}
	v := make([]uint64, w.Type.NumElems())
	if err := z2k.Unpack(v, sec.Data, w.Type.Elem.Width); err != nil {
		return nil, fmt.Errorf("section %s: %w", sec.Name, err)
	}
	if st.tables == nil {
		st.tables = map[string][]uint64{}
	}
	st.tables[w.Name] = v
	return v, nil
}

// ssSelect lets the client look up rows of public tables. Its half is the sum
// of the rows, the server's is zero; nobody sends anything.
func ssSelect(s *step, o *ir.Op) error {
	t := o.Results[0].Type
	y := share.NewArith(t.Elem.Width, t.Shape...)
	if s.party == share.Server {
		return s.put(o, 0, y)
	}
	if s.he.stock == nil {
		return fmt.Errorf("the session has no tables")
	}
	// %ids, @word or %ids, %types, @word, @type.
	for i := range len(o.Args) / 2 {
		ids, err := s.clear(o, i)
		if err != nil {
			return err
		}
		w := o.W(i + len(o.Args)/2)
		table, err := s.he.stock.table(w)
		if err != nil {
			return err
		}
		if err := addRows(y, table, ids.V); err != nil {
			return fmt.Errorf("@%s: %w", w.Name, err)
		}
	}
	return s.put(o, 0, y)
}

// addRows adds row ids[t] of table to row t of y. It indexes memory by a
// secret, as whoever looks something up in a public table does: the client on
// its own machine.
func addRows(y share.Arith, table, ids []uint64) error {
	cols := y.Shape[len(y.Shape)-1]
	for t, id := range ids {
		if id >= uint64(len(table)/cols) {
			return fmt.Errorf("an index is outside the table's %d rows", len(table)/cols)
		}
		row := y.V[t*cols : (t+1)*cols]
		z2k.Add(row, row, table[int(id)*cols:(int(id)+1)*cols], y.Width)
	}
	return nil
}
