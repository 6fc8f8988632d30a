package hf

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// pooling reads what sentence-transformers saves beside a BertModel: modules.json
// and the configuration of its pooling. Without modules.json the embedding is
// the normalised mean, as most encoders have it.
func (c *Config) pooling(dir fs.FS) error {
	data, err := readFile(dir, "modules.json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var modules []struct {
		Path string `json:"path"`
		Type string `json:"type"`
	}
	if err := json.Unmarshal(data, &modules); err != nil {
		return fmt.Errorf("hf: modules.json: %w", describe(err))
	}
	var kinds []string
	for _, m := range modules {
		kind := m.Type[strings.LastIndex(m.Type, ".")+1:]
		kinds = append(kinds, kind)
		if kind != "Pooling" {
			continue
		}
		file := path.Join(m.Path, "config.json")
		if !fs.ValidPath(file) {
			return fmt.Errorf("hf: modules.json: the path %q is not in the folder", m.Path)
		}
		if err := meanPooling(dir, file); err != nil {
			return err
		}
	}
	switch {
	case slices.Equal(kinds, []string{"Transformer", "Pooling"}):
		c.Normalize = false
	case slices.Equal(kinds, []string{"Transformer", "Pooling", "Normalize"}):
	default:
		return fmt.Errorf("hf: modules.json: the modules %q are not supported; supported are Transformer and Pooling, and Normalize after them", kinds)
	}
	return nil
}

// meanPooling checks that a pooling module takes the mean and nothing else.
func meanPooling(dir fs.FS, file string) error {
	data, err := readFile(dir, file)
	if err != nil {
		return err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return fmt.Errorf("hf: %s: %w", file, describe(err))
	}
	var modes []string
	for key, v := range all {
		if mode, ok := strings.CutPrefix(key, "pooling_mode_"); ok && string(v) == "true" {
			modes = append(modes, mode)
		}
	}
	slices.Sort(modes)
	if !slices.Equal(modes, []string{"mean_tokens"}) {
		return fmt.Errorf("hf: %s: the pooling %q is not supported; supported is mean_tokens alone", file, modes)
	}
	return nil
}
