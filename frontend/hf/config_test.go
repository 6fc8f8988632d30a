package hf

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"nimbus/frontend"
	"nimbus/models"
)

const bertConfig = `{"architectures": ["BertForSequenceClassification"], "model_type": "bert", "hidden_size": 8, "num_hidden_layers": 1,
 "num_attention_heads": 2, "intermediate_size": 16, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "max_position_embeddings": 16,
 "type_vocab_size": 2, "vocab_size": 32, "pad_token_id": 0, "position_embedding_type": "absolute", "id2label": {"1": "good", "0": "bad"}}`

func TestConfig(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"", "", "&{bert BertForSequenceClassification 8 8 1 2 16 erf 1e-12 32 16 0 2 [bad good] 0 0 0 false 0 0 0 sequence}"},
		{`"gelu"`, `"gelu_new"`, "&{bert BertForSequenceClassification 8 8 1 2 16 tanh 1e-12 32 16 0 2 [bad good] 0 0 0 false 0 0 0 sequence}"},
		{`, "id2label": {"1": "good", "0": "bad"}`, `, "num_labels": 3`, "&{bert BertForSequenceClassification 8 8 1 2 16 erf 1e-12 32 16 0 2 [LABEL_0 LABEL_1 LABEL_2] 0 0 0 false 0 0 0 sequence}"},
		{`"hidden_size": 8, "num_hidden_layers": 1,`, ``, "&{bert BertForSequenceClassification 768 768 12 2 16 erf 1e-12 32 16 0 2 [bad good] 0 0 0 false 0 0 0 sequence}"},
		{`"gelu"`, `"swish"`, `hidden_act "swish" is not supported; supported are "gelu", "gelu_fast", "gelu_new", "gelu_python", "gelu_pytorch_tanh", "relu"`},
		{`"bert"`, `"gpt2"`, `model_type "gpt2" is not supported; supported are "albert", "bert", "distilbert", "electra", "roberta", "vit"`},
		{`"BertForSequenceClassification"`, `"BertForPreTraining"`, `architectures ["BertForPreTraining"] are not supported; supported are "BertForMaskedLM", "BertForSequenceClassification", "BertForTokenClassification", "BertModel"`},
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
		{`"hidden_size": 8`, `"hidden_size": "8"`, "unexpected JSON: json: cannot unmarshal string into Go struct field config.hidden_size of type int"},
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
		{frontend.Set{"seq": 129}, "bert.model:27:1: seq <= positions is required, but seq = 129 and positions = 128"},
		{frontend.Set{"sequence": 9}, "bert.model:7:1: there is no parameter sequence to set; there are seq, hidden, heads, layers, ffn, act, eps, vocab, positions, segments, pad, labels, head"},
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

// Every family's configuration, with its own names and defaults.
func TestFamilies(t *testing.T) {
	for _, c := range []struct{ config, want string }{
		{`"model_type": "albert", "architectures": ["AlbertForSequenceClassification"], "hidden_size": 48, "num_attention_heads": 4, "intermediate_size": 96, "embedding_size": 16`,
			"albert act=tanh embedding=16 eps=1e-12 ffn=96 groups=1 heads=4 hidden=48 inner=1 labels=[LABEL_0 LABEL_1] layers=12 pad=0 positions=512 segments=2 seq=128 vocab=30000"},
		{`"model_type": "bert", "architectures": ["BertModel"], "hidden_size": 48`,
			"sentence act=erf eps=1e-12 ffn=3072 heads=12 hidden=48 layers=12 normalize=true pad=0 positions=512 segments=2 seq=128 vocab=30522"},
		{`"model_type": "bert", "architectures": ["BertForTokenClassification"], "num_labels": 1`,
			"bert act=erf eps=1e-12 ffn=3072 head=tokens heads=12 hidden=768 labels=[LABEL_0] layers=12 pad=0 positions=512 segments=2 seq=128 vocab=30522"},
		{`"model_type": "bert", "architectures": ["BertForMaskedLM"]`,
			"bert act=erf eps=1e-12 ffn=3072 head=words heads=12 hidden=768 layers=12 pad=0 positions=512 segments=2 seq=128 vocab=30522"},
		{`"model_type": "distilbert", "architectures": ["DistilBertForSequenceClassification"], "dim": 48, "n_heads": 6, "n_layers": 2, "hidden_dim": 96, "activation": "relu", "max_position_embeddings": 20`,
			"distilbert act=relu eps=1e-12 ffn=96 heads=6 hidden=48 labels=[LABEL_0 LABEL_1] layers=2 pad=0 positions=20 seq=20 vocab=30522"},
		{`"model_type": "distilbert", "architectures": ["DistilBertForSequenceClassification"], "dim": 48, "n_heads": 5`, "dim 48 is not a multiple of n_heads 5"},
		{`"model_type": "electra", "architectures": ["ElectraForSequenceClassification"]`,
			"electra act=erf embedding=128 eps=1e-12 ffn=1024 heads=4 hidden=256 labels=[LABEL_0 LABEL_1] layers=12 pad=0 positions=512 segments=2 seq=128 vocab=30522"},
		{`"model_type": "roberta", "architectures": ["RobertaForSequenceClassification"], "max_position_embeddings": 66, "type_vocab_size": 1, "layer_norm_eps": 1e-5, "num_labels": 3`,
			"roberta act=erf eps=1e-05 ffn=3072 heads=12 hidden=768 labels=[LABEL_0 LABEL_1 LABEL_2] layers=12 pad=1 positions=66 seq=64 vocab=50265"},
		{`"model_type": "roberta", "architectures": ["RobertaForSequenceClassification"]`, "type_vocab_size is 2; a roberta has 1"},
		{`"model_type": "roberta", "architectures": ["RobertaForMaskedLM"]`, `architectures ["RobertaForMaskedLM"] are not supported; supported is "RobertaForSequenceClassification"`},
		{`"model_type": "vit", "architectures": ["ViTForImageClassification"], "image_size": 32, "patch_size": 8`,
			"vit act=erf channels=3 eps=1e-12 ffn=3072 heads=12 hidden=768 image=32 labels=[LABEL_0 LABEL_1] layers=12 patch=8 seq=17"},
		{`"model_type": "vit", "architectures": ["ViTForImageClassification"], "image_size": 30, "patch_size": 8`, "image_size 30 is not a multiple of patch_size 8, or more than 256 of them"},
		{`"model_type": "vit", "architectures": ["ViTForImageClassification"], "patch_size": 0`, "patch_size is 0, want 1 to 16777216"},
	} {
		cfg, err := ParseConfig([]byte("{" + c.config + "}"))
		got := fmt.Sprint(err)
		if err == nil {
			set := cfg.Set()
			got = cfg.Family
			for _, name := range slices.Sorted(maps.Keys(set)) {
				got += fmt.Sprintf(" %s=%v", name, set[name])
			}
			dir, err := models.Open(cfg.Family)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := frontend.Compile(dir, cfg.Family+".model", set); err != nil {
				t.Errorf("%s: %v", got, err)
			}
		}
		if got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.config, got, c.want)
		}
	}
}

// What sentence-transformers saves beside the model decides on pooling.
func TestPooling(t *testing.T) {
	const transformer, pooling, normalize = `{"path": "", "type": "a.Transformer"}`, `{"path": "1_Pooling", "type": "a.Pooling"}`, `{"path": "2_Normalize", "type": "a.Normalize"}`
	const mean, cls = `{"word_embedding_dimension": 384, "pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true}`, `{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}`
	for _, c := range []struct{ modules, pooling, want string }{
		{"", "", "true"},
		{transformer + "," + pooling + "," + normalize, mean, "true"},
		{transformer + "," + pooling, mean, "false"},
		{transformer + "," + pooling, cls, `hf: 1_Pooling/config.json: the pooling ["cls_token"] is not supported; supported is mean_tokens alone`},
		{transformer, mean, `hf: modules.json: the modules ["Transformer"] are not supported; supported are Transformer and Pooling, and Normalize after them`},
		{`{"path": "../x", "type": "Pooling"}`, mean, `hf: modules.json: the path "../x" is not in the folder`},
		{"7", mean, "hf: modules.json: unexpected JSON: json: cannot unmarshal number into Go value of type struct"},
	} {
		dir := fstest.MapFS{"1_Pooling/config.json": {Data: []byte(c.pooling)}}
		if c.modules != "" {
			dir["modules.json"] = &fstest.MapFile{Data: []byte("[" + c.modules + "]")}
		}
		cfg := &Config{Normalize: true}
		err := cfg.pooling(dir)
		got := fmt.Sprint(cfg.Normalize)
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%s:\ngot  %s\nwant %s", c.modules, got, c.want)
		}
	}
}
