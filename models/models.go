package models

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed */*
var data embed.FS

// Names lists the folders, sorted.
func Names() []string {
	entries, err := data.ReadDir(".")
	if err != nil {
		panic("models: internal error: " + err.Error())
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Open returns the folder of one model or family.
func Open(name string) (fs.FS, error) {
	for _, n := range Names() {
		if n == name {
			return fs.Sub(data, name)
		}
	}
	return nil, fmt.Errorf("models: there is no embedded model %q; there are %s", name, strings.Join(Names(), ", "))
}
