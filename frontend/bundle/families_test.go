package bundle

import (
	"fmt"
	"math"
	"testing"

	"nimbus/frontend"
	"nimbus/ir"
	"nimbus/ir/eval"
)

// A net computes Transformers in float64 from the tensors of a file, written
// from the papers and Hugging Face's names, and not from our descriptions.
type net struct {
	t   testing.TB
	src Source
	eps float64
}

type rows [][]float64

func (n *net) tensor(name string) (data []float64, width int) {
	n.t.Helper()
	shape, v, err := n.src.Tensor(name)
	if err != nil {
		n.t.Fatal(err)
	}
	data = make([]float64, len(v))
	for i, x := range v {
		data[i] = float64(x)
	}
	return data, shape[len(shape)-1]
}

// dense is x·wᵀ + b; the bias may be missing in the file.
func (n *net) dense(x rows, name string, bias bool) rows {
	n.t.Helper()
	w, in := n.tensor(name + ".weight")
	out := make(rows, len(x))
	for i, row := range x {
		if len(row) != in {
			n.t.Fatalf("%s takes %d, not %d", name, in, len(row))
		}
		out[i] = make([]float64, len(w)/in)
		for j := range out[i] {
			for k, v := range row {
				out[i][j] += v * w[j*in+k]
			}
		}
	}
	if bias {
		b, _ := n.tensor(name + ".bias")
		for i := range out {
			for j := range b {
				out[i][j] += b[j]
			}
		}
	}
	return out
}

func (n *net) norm(x rows, name string) rows {
	n.t.Helper()
	g, _ := n.tensor(name + ".weight")
	b, _ := n.tensor(name + ".bias")
	out := make(rows, len(x))
	for i, row := range x {
		mean, variance := 0.0, 0.0
		for _, v := range row {
			mean += v
		}
		mean /= float64(len(row))
		for _, v := range row {
			variance += (v - mean) * (v - mean)
		}
		variance /= float64(len(row))
		out[i] = make([]float64, len(row))
		for j, v := range row {
			out[i][j] = (v-mean)/math.Sqrt(variance+n.eps)*g[j] + b[j]
		}
	}
	return out
}

// pick is the sum over tables of the rows that each list of indices names.
func (n *net) pick(tables map[string][]int) rows {
	var out rows
	for name, index := range tables {
		table, d := n.tensor(name)
		if out == nil {
			out = make(rows, len(index))
			for i := range out {
				out[i] = make([]float64, d)
			}
		}
		for i, at := range index {
			for j := range d {
				out[i][j] += table[at*d+j]
			}
		}
	}
	return out
}

// attend is attention over the tokens that the mask keeps; nil keeps all.
func attend(q, k, v rows, heads int, mask []int) rows {
	d := len(q[0]) / heads
	out := make(rows, len(q))
	for i := range q {
		out[i] = make([]float64, len(q[0]))
		for h := range heads {
			sum := 0.0
			for j := range k {
				if mask != nil && mask[j] == 0 {
					continue
				}
				s := 0.0
				for c := h * d; c < (h+1)*d; c++ {
					s += q[i][c] * k[j][c]
				}
				e := math.Exp(s / math.Sqrt(float64(d)))
				sum += e
				for c := h * d; c < (h+1)*d; c++ {
					out[i][c] += e * v[j][c]
				}
			}
			for c := h * d; c < (h+1)*d; c++ {
				out[i][c] /= sum
			}
		}
	}
	return out
}

func sum(a, b rows) rows {
	out := make(rows, len(a))
	for i := range a {
		out[i] = make([]float64, len(a[i]))
		for j := range a[i] {
			out[i][j] = a[i][j] + b[i][j]
		}
	}
	return out
}

func each(x rows, f func(float64) float64) rows {
	for _, row := range x {
		for j, v := range row {
			row[j] = f(v)
		}
	}
	return x
}

func erfGELU(x float64) float64 { return x / 2 * (1 + math.Erf(x/math.Sqrt2)) }
func tanhGELU(x float64) float64 {
	return x / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
}
func reLU(x float64) float64 { return max(x, 0) }

// layer names the parts of one layer.
type layer struct{ q, k, v, out, norm1, in, down, norm2 string }

func bertLayer(at string) layer {
	return layer{at + ".attention.self.query", at + ".attention.self.key", at + ".attention.self.value", at + ".attention.output.dense",
		at + ".attention.output.LayerNorm", at + ".intermediate.dense", at + ".output.dense", at + ".output.LayerNorm"}
}

// after is a layer with its norms after the sums.
func (n *net) after(x rows, l layer, heads int, mask []int, act func(float64) float64) rows {
	a := attend(n.dense(x, l.q, true), n.dense(x, l.k, true), n.dense(x, l.v, true), heads, mask)
	x = n.norm(sum(x, n.dense(a, l.out, true)), l.norm1)
	return n.norm(sum(x, n.dense(each(n.dense(x, l.in, true), act), l.down, true)), l.norm2)
}

func upTo(n, from int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = from + i
	}
	return out
}

type textInput struct{ ids, types, mask []int }

// TestFamilies holds every family's description against a forward pass of its
// own, on synthetic weights.
func TestFamilies(t *testing.T) {
	in := textInput{[]int{5, 9, 33, 60, 7, 1, 1, 1}, []int{0, 0, 1, 1, 1, 0, 0, 0}, []int{1, 1, 1, 1, 1, 0, 0, 0}}
	for _, c := range []struct {
		name string
		eps  float64
		run  func(n *net) rows
	}{
		{"distilbert/tiny", 1e-12, func(n *net) rows {
			e := "distilbert.embeddings."
			x := n.norm(n.pick(map[string][]int{e + "word_embeddings.weight": in.ids, e + "position_embeddings.weight": upTo(8, 0)}), e+"LayerNorm")
			for i := range 2 {
				at := fmt.Sprintf("distilbert.transformer.layer.%d.", i)
				x = n.after(x, layer{at + "attention.q_lin", at + "attention.k_lin", at + "attention.v_lin", at + "attention.out_lin",
					at + "sa_layer_norm", at + "ffn.lin1", at + "ffn.lin2", at + "output_layer_norm"}, 2, in.mask, erfGELU)
			}
			return n.dense(each(n.dense(x[:1], "pre_classifier", true), reLU), "classifier", true)
		}},
		{"electra/tiny", 1e-12, func(n *net) rows {
			e := "electra.embeddings."
			x := n.norm(n.pick(map[string][]int{e + "word_embeddings.weight": in.ids, e + "token_type_embeddings.weight": in.types,
				e + "position_embeddings.weight": upTo(8, 0)}), e+"LayerNorm")
			x = n.dense(x, "electra.embeddings_project", true)
			for i := range 2 {
				x = n.after(x, bertLayer(fmt.Sprintf("electra.encoder.layer.%d", i)), 2, in.mask, erfGELU)
			}
			return n.dense(each(n.dense(x[:1], "classifier.dense", true), erfGELU), "classifier.out_proj", true)
		}},
		{"roberta/tiny", 1e-5, func(n *net) rows {
			e := "roberta.embeddings."
			// Hugging Face's positions: counted from 2 on, padding's is 1.
			positions := []int{2, 3, 4, 5, 6, 1, 1, 1}
			x := n.norm(n.pick(map[string][]int{e + "word_embeddings.weight": in.ids, e + "token_type_embeddings.weight": make([]int, 8),
				e + "position_embeddings.weight": positions}), e+"LayerNorm")
			for i := range 2 {
				x = n.after(x, bertLayer(fmt.Sprintf("roberta.encoder.layer.%d", i)), 2, in.mask, erfGELU)
			}
			return n.dense(each(n.dense(x[:1], "classifier.dense", true), math.Tanh), "classifier.out_proj", true)
		}},
		{"albert/tiny", 1e-12, func(n *net) rows {
			e := "albert.embeddings."
			x := n.norm(n.pick(map[string][]int{e + "word_embeddings.weight": in.ids, e + "token_type_embeddings.weight": in.types,
				e + "position_embeddings.weight": upTo(8, 0)}), e+"LayerNorm")
			x = n.dense(x, "albert.encoder.embedding_hidden_mapping_in", true)
			at := "albert.encoder.albert_layer_groups.0.albert_layers.0."
			for range 3 {
				x = n.after(x, layer{at + "attention.query", at + "attention.key", at + "attention.value", at + "attention.dense",
					at + "attention.LayerNorm", at + "ffn", at + "ffn_output", at + "full_layer_layer_norm"}, 2, in.mask, tanhGELU)
			}
			return n.dense(each(n.dense(x[:1], "albert.pooler", true), math.Tanh), "classifier", true)
		}},
		{"sentence/tiny", 1e-12, func(n *net) rows { return n.sentence(in, 2, 2) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRunner(t, c.name)
			got := r.outputs(r.module(8), in)
			if d := distance(got, c.run(&net{t, r.src, c.eps})[0]); d > 1e-9 {
				t.Errorf("off by %g", d)
			}
		})
	}
}

// TestHeads holds BERT's other heads against a forward pass of their own.
func TestHeads(t *testing.T) {
	in := textInput{[]int{5, 9, 33, 60, 7, 1, 1, 1}, []int{0, 0, 1, 1, 1, 0, 0, 0}, []int{1, 1, 1, 1, 1, 0, 0, 0}}
	for head, run := range map[string]func(n *net, x rows) rows{
		"tokens": func(n *net, x rows) rows { return n.dense(x, "classifier", true) },
		"words": func(n *net, x rows) rows {
			x = n.norm(each(n.dense(x, "cls.predictions.transform.dense", true), erfGELU), "cls.predictions.transform.LayerNorm")
			table, d := n.tensor("bert.embeddings.word_embeddings.weight")
			bias, _ := n.tensor("cls.predictions.bias")
			out := make(rows, len(x))
			for i := range x {
				out[i] = append(out[i], bias...)
				for w := range bias {
					for j, v := range x[i] {
						out[i][w] += v * table[w*d+j]
					}
				}
			}
			return out
		},
	} {
		r := newRunner(t, "bert/tiny")
		set := frontend.Set{"head": head}
		m, err := r.b.Module(set)
		if err != nil {
			t.Fatal(err)
		}
		if r.src, err = r.b.Weights(set); err != nil {
			t.Fatal(err)
		}
		n := &net{t, r.src, 1e-12}
		e := "bert.embeddings."
		x := n.norm(n.pick(map[string][]int{e + "word_embeddings.weight": in.ids, e + "token_type_embeddings.weight": in.types,
			e + "position_embeddings.weight": upTo(8, 0)}), e+"LayerNorm")
		for i := range 2 {
			x = n.after(x, bertLayer(fmt.Sprintf("bert.encoder.layer.%d", i)), 2, in.mask, erfGELU)
		}
		var want []float64
		for _, row := range run(n, x) {
			want = append(want, row...)
		}
		if d := distance(r.outputs(m, in), want); d > 1e-9 {
			t.Errorf("%s: off by %g", head, d)
		}
	}
}

// outputs computes m on in.
func (r *runner) outputs(m *ir.Module, in textInput) []float64 {
	r.t.Helper()
	all := map[string]eval.Value{"ids": eval.Ints(in.ids), "types": eval.Ints(in.types), "mask": eval.Ints(in.mask), "pool": eval.Floats(pool(in.mask))}
	used := map[string]eval.Value{}
	for _, p := range m.Func("main").Params {
		used[p.Name] = all[p.Name]
	}
	out, err := eval.Run(m, "main", used, r.src)
	if err != nil {
		r.t.Fatal(err)
	}
	return out[0].Reals()
}

// pool is the mask over the number of tokens.
func pool(mask []int) []float64 {
	n := 0
	for _, m := range mask {
		n += m
	}
	out := make([]float64, len(mask))
	for i, m := range mask {
		out[i] = float64(m) / float64(n)
	}
	return out
}

// sentence is a BertModel's normalised mean over the tokens of in.
func (n *net) sentence(in textInput, layers, heads int) rows {
	x := n.norm(n.pick(map[string][]int{"embeddings.word_embeddings.weight": in.ids, "embeddings.token_type_embeddings.weight": in.types,
		"embeddings.position_embeddings.weight": upTo(len(in.ids), 0)}), "embeddings.LayerNorm")
	for i := range layers {
		x = n.after(x, bertLayer(fmt.Sprintf("encoder.layer.%d", i)), heads, in.mask, erfGELU)
	}
	mean := make([]float64, len(x[0]))
	for i, row := range x {
		for j, v := range row {
			mean[j] += v * float64(in.mask[i])
		}
	}
	square := 0.0
	for _, v := range mean {
		square += v * v
	}
	return each(rows{mean}, func(v float64) float64 { return v / math.Sqrt(square) })
}

// TestViT holds the description of ViT against a forward pass of its own.
func TestViT(t *testing.T) {
	r := newRunner(t, "vit/tiny")
	m, err := r.b.Module(nil)
	if err != nil {
		t.Fatal(err)
	}
	patches := make([]float64, 5*16)
	for i := range patches[16:] {
		patches[16+i] = math.Sin(float64(i * i))
	}
	out, err := eval.Run(m, "main", map[string]eval.Value{"patches": eval.Floats(patches)}, r.src)
	if err != nil {
		t.Fatal(err)
	}
	n := &net{t, r.src, 1e-12}
	kernel, _ := n.tensor("vit.embeddings.patch_embeddings.projection.weight")
	bias, _ := n.tensor("vit.embeddings.patch_embeddings.projection.bias")
	position, _ := n.tensor("vit.embeddings.position_embeddings")
	class, _ := n.tensor("vit.embeddings.cls_token")
	x := rows{class}
	for p := 1; p < 5; p++ {
		row := make([]float64, 24)
		for j := range row {
			row[j] = bias[j]
			for k := range 16 {
				row[j] += patches[p*16+k] * kernel[j*16+k]
			}
		}
		x = append(x, row)
	}
	for i := range x {
		for j := range x[i] {
			x[i][j] += position[i*24+j]
		}
	}
	for i := range 2 {
		at := fmt.Sprintf("vit.encoder.layer.%d.", i)
		y, a := n.norm(x, at+"layernorm_before"), at+"attention.attention."
		x = sum(x, n.dense(attend(n.dense(y, a+"query", true), n.dense(y, a+"key", true), n.dense(y, a+"value", true), 2, nil), at+"attention.output.dense", true))
		y = n.norm(x, at+"layernorm_after")
		x = sum(x, n.dense(each(n.dense(y, at+"intermediate.dense", true), erfGELU), at+"output.dense", true))
	}
	want := n.dense(n.norm(x[:1], "vit.layernorm"), "classifier", true)
	if d := distance(out[0].Reals(), want[0]); d > 1e-9 {
		t.Errorf("off by %g", d)
	}
}
