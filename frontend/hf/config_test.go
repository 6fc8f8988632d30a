package hf

import (
	"fmt"
	"strings"
	"testing"

	"nimbus/frontend"
	"nimbus/models"
)

const bertConfig = `{"architectures": ["BertForSequenceClassification"], "model_type": "bert", "hidden_size": 8, "num_hidden_layers": 1,
 "num_attention_heads": 2, "intermediate_size": 16, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "max_position_embeddings": 16,
 "type_vocab_size": 2, "vocab_size": 32, "pad_token_id": 0, "position_embedding_type": "absolute", "id2label": {"1": "good", "0": "bad"}}`

func TestConfig(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"", "", "&{bert BertForSequenceClassification 8 1 2 16 erf 1e-12 32 16 2 [bad good] 0}"},
		{`"gelu"`, `"gelu_new"`, "&{bert BertForSequenceClassification 8 1 2 16 tanh 1e-12 32 16 2 [bad good] 0}"},
		{`, "id2label": {"1": "good", "0": "bad"}`, `, "num_labels": 3`, "&{bert BertForSequenceClassification 8 1 2 16 erf 1e-12 32 16 2 [LABEL_0 LABEL_1 LABEL_2] 0}"},
		{`"hidden_size": 8, "num_hidden_layers": 1,`, ``, "&{bert BertForSequenceClassification 768 12 2 16 erf 1e-12 32 16 2 [bad good] 0}"},
		{`"gelu"`, `"relu"`, `hidden_act "relu" is not supported; supported are "gelu", "gelu_fast", "gelu_new", "gelu_python", "gelu_pytorch_tanh"`},
		{`"bert"`, `"roberta"`, `model_type "roberta" is not supported; supported is "bert"`},
		{`"BertForSequenceClassification"`, `"BertForMaskedLM"`, `architectures ["BertForMaskedLM"] are not supported; supported is "BertForSequenceClassification"`},
		{`"absolute"`, `"relative_key"`, `position_embedding_type "relative_key" is not supported; supported is "absolute"`},
		{`"num_attention_heads": 2`, `"num_attention_heads": 3`, "hidden_size 8 is not a multiple of num_attention_heads 3"},
		{`"vocab_size": 32`, `"vocab_size": 0`, "vocab_size is 0, want 1 to 16777216"},
		{`"vocab_size": 32`, `"vocab_size": 99999999999`, "vocab_size is 99999999999, want 1 to 16777216"},
		{`1e-12`, `0`, "layer_norm_eps is 0, want more than 0 and at most 1"},
		{`"pad_token_id": 0`, `"pad_token_id": 32`, "pad_token_id 32 is not below vocab_size 32"},
		{`"1": "good"`, `"2": "good"`, "id2label has 2 entries but none for 1"},
		{`"id2label"`, `"num_labels": 3, "id2label"`, "num_labels is 3, but id2label has 2 entries"},
		{`"model_type"`, `"is_decoder": true, "model_type"`, "is_decoder and add_cross_attention are not supported; supported are encoders"},
		{`"model_type"`, `"pruned_heads": {"0": [1]}, "model_type"`, "pruned_heads are not supported; save the model with all its heads"},
		{`"model_type"`, `"quantization_config": {"bits": 4}, "model_type"`, "quantization_config is not supported; supported are F32, F16 and BF16 weights"},
		{`"hidden_size": 8`, `"hidden_size": "8"`, "unexpected JSON: json: cannot unmarshal string into Go struct field .hidden_size of type int"},
		{`{"arch`, `{arch`, "not valid JSON at byte 2: invalid character 'a' looking for beginning of object key string"},
	} {
		s := strings.Replace(bertConfig, c.old, c.new, 1)
		if s == bertConfig && c.old != "" {
			t.Fatalf("%q is not in the example", c.old)
		}
		cfg, err := ParseConfig([]byte(s))
		got := fmt.Sprint(cfg)
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.new, got, c.want)
		}
	}
}

func TestModule(t *testing.T) {
	dir, err := models.Open("nimbus-sst2-tiny")
	if err != nil {
		t.Fatal(err)
	}
	m, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, c := range []struct {
		set  frontend.Set
		want string
	}{
		{nil, "stage = nn, family = bert, tokenizer = wordpiece, seq = 128, hidden = 128, heads = 2, layers = 2, ffn = 512, vocab = 8192, segments = 2, max_positions = 128, pad = 0, labels = [\"negative\", \"positive\"]"},
		{frontend.Set{"seq": 32, "layers": 1}, "stage = nn, family = bert, tokenizer = wordpiece, seq = 32, hidden = 128, heads = 2, layers = 1, ffn = 512, vocab = 8192, segments = 2, max_positions = 128, pad = 0, labels = [\"negative\", \"positive\"]"},
		{frontend.Set{"seq": 129}, "bert.model:23:1: seq <= positions is required, but seq = 129 and positions = 128"},
		{frontend.Set{"sequence": 9}, "bert.model:5:1: there is no parameter sequence to set; there are seq, hidden, heads, layers, ffn, act, eps, vocab, positions, segments, pad, labels"},
		{frontend.Set{"vocab": 9}, `hf: weight @bert.embeddings.word_embeddings.weight: tensor "bert.embeddings.word_embeddings.weight" gives the shape [8192 128], want [9 128]`},
		{frontend.Set{"layers": 3}, `hf: weight @bert.encoder.layer.2.attention.self.query.weight: the folder has no tensor "bert.encoder.layer.2.attention.self.query.weight"`},
	} {
		module, err := m.Module(c.set)
		got, _, _ := strings.Cut(fmt.Sprint(err), "\n")
		if err == nil {
			got = strings.Trim(module.Attrs.String(), "{}")
		}
		if got != c.want {
			t.Errorf("%v:\ngot  %s\nwant %s", c.set, got, c.want)
		}
	}
}
