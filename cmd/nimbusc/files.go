package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"nimbus/ir"
	"nimbus/ir/parser"
	"nimbus/ir/plan"
	"nimbus/models"
)

// stdinName is what "-" is called in positions.
const stdinName = "<stdin>"

// encodingHint says what to do about text in another encoding.
const encodingHint = "save the file as UTF-8, for example with iconv -f latin1 -t utf-8 (or -f utf-16)"

// maxText bounds what is read into memory as text.
const maxText = 256 << 20

// readText reads a file of UTF-8, or standard input for "-"; display is its
// name in positions. Where there is no such file it may be an embedded one, such
// as nimbus-sst2-tiny/s32.plan.
func readText(c *console, name string) (display, text string, err error) {
	var r io.Reader = c.in
	display = stdinName
	if name != "-" {
		display = name
		f, err := open(name)
		if err != nil {
			return display, "", fileError(err)
		}
		defer f.Close()
		r = f
	}
	data, err := io.ReadAll(io.LimitReader(r, maxText+1))
	switch {
	case err != nil:
		return display, "", fileError(err)
	case len(data) > maxText:
		return display, "", fmt.Errorf("%s: longer than %d MiB", display, maxText>>20)
	case !utf8.Valid(data):
		line, col := invalidAt(data)
		return display, "", hinted(fmt.Errorf("%s:%d:%d: not UTF-8 text", display, line, col), encodingHint)
	}
	return display, string(data), nil
}

// readPlain is readText for a file that people write.
func readPlain(c *console, name string) (display, text string, err error) {
	if display, text, err = readText(c, name); err == nil {
		err = checkPlain(display, text)
	}
	return display, text, err
}

// checkPlain refuses zero bytes, which UTF-16 has and no text.
func checkPlain(display, text string) error {
	if i := strings.IndexByte(text, 0); i >= 0 {
		return hinted(fmt.Errorf("%s:%d: a zero byte: not UTF-8 text", display, 1+strings.Count(text[:i], "\n")), encodingHint)
	}
	return nil
}

func open(name string) (fs.File, error) {
	f, err := os.Open(name)
	if err == nil {
		return f, nil
	}
	if folder, file := path.Split(name); errors.Is(err, fs.ErrNotExist) && folder != "" {
		if dir, err := models.Open(path.Clean(folder)); err == nil {
			if f, err := dir.Open(file); err == nil {
				return f, nil
			}
		}
	}
	return nil, err
}

// invalidAt finds the first byte of data that is not UTF-8.
func invalidAt(data []byte) (line, col int) {
	line, col = 1, 1
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		if r == utf8.RuneError && n <= 1 {
			break
		}
		if col += n; r == '\n' {
			line, col = line+1, 1
		}
		data = data[n:]
	}
	return line, col
}

// fileError is an operating system's error as "NAME: why".
func fileError(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("%s: %w", p.Path, p.Err)
	}
	return err
}

// readModule reads and verifies a module of any stage.
func readModule(c *console, name string) (*ir.Module, error) {
	display, text, err := readText(c, name)
	if err != nil {
		return nil, err
	}
	m, err := parser.Parse(display, text)
	if err != nil {
		return nil, err
	}
	if m.Stage() == ir.StagePlan {
		return plan.Parse(display, text)
	}
	return m, m.Verify()
}

// readPlan reads a plan of this release's version.
func readPlan(c *console, name string) (*ir.Module, error) {
	display, text, err := readText(c, name)
	if err != nil {
		return nil, err
	}
	return plan.Parse(display, text)
}

// writeFile replaces name by text as a whole or not at all: an interrupted or
// failed write leaves what was there. "-" is standard output.
func writeFile(c *console, name, text string) (err error) {
	if name == "-" {
		_, err := io.WriteString(c.out, text)
		return err
	}
	return replaceFile(name, text, 0o644)
}

// writeSecret is writeFile for what only the user may read. An existing file
// loses what others may do with it.
func writeSecret(name, text string) error {
	if err := os.Chmod(name, 0o600); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fileError(err)
	}
	return replaceFile(name, text, 0o600)
}

// replaceFile replaces name, or creates it with a mode.
func replaceFile(name, text string, mode fs.FileMode) (err error) {
	if info, err := os.Stat(name); err == nil {
		if info.IsDir() {
			return fmt.Errorf("%s: is a folder", name)
		}
		if !info.Mode().IsRegular() { // a device or pipe is not replaced
			return fileError(os.WriteFile(name, []byte(text), mode))
		}
		mode = info.Mode().Perm()
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return fmt.Errorf("%s: %w", name, cause(err))
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			err = fmt.Errorf("%s: %w", name, cause(err))
		}
	}()
	if _, err = f.WriteString(text); err != nil {
		return err
	}
	if err = f.Chmod(mode); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// cause is an operating system's error without the file's name, which is that
// of a temporary file.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	var l *os.LinkError
	if errors.As(err, &l) {
		return l.Err
	}
	return err
}
