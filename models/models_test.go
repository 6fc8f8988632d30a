package models

import (
	"io"
	"io/fs"
	"slices"
	"testing"
)

func TestOpen(t *testing.T) {
	if want := []string{"albert", "bert", "distilbert", "electra", "nimbus-sst2-tiny", "roberta", "sentence", "vit"}; !slices.Equal(Names(), want) {
		t.Errorf("folders %v, want %v", Names(), want)
	}
	for _, name := range Names() {
		dir, err := Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if files, err := fs.ReadDir(dir, "."); err != nil || len(files) == 0 {
			t.Errorf("%s: %v, %v", name, files, err)
		}
	}
	want := `models: there is no embedded model "x"; there are albert, bert, distilbert, electra, nimbus-sst2-tiny, roberta, sentence, vit`
	if _, err := Open("x"); err == nil || err.Error() != want {
		t.Error(err)
	}
}

// Weights are read in place: an embedded file must allow random access.
func TestRandomAccess(t *testing.T) {
	dir, err := Open("nimbus-sst2-tiny")
	if err != nil {
		t.Fatal(err)
	}
	f, err := dir.Open("model.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, ok := f.(io.ReaderAt); !ok {
		t.Errorf("a %T has no ReadAt", f)
	}
}
