package shared

import (
	"os"
	"path/filepath"
	"testing"
)

// Dir returns the folder of shared material, or skips t when there is none.
// A NIMBUS_SHARED that names no folder is an error, not a skip.
func Dir(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("NIMBUS_SHARED"); dir != "" {
		if !isDir(dir) {
			t.Fatalf("NIMBUS_SHARED names %s, which is not a folder", dir)
		}
		return dir
	}
	root := repository()
	dir := filepath.Join(root, "..", "shared")
	if root == "" || !isDir(dir) {
		t.Skip("no shared folder beside the repository (NIMBUS_SHARED names another)")
	}
	return dir
}

// Path joins elem to Dir and skips t when the result does not exist.
func Path(t testing.TB, elem ...string) string {
	t.Helper()
	p := filepath.Join(append([]string{Dir(t)}, elem...)...)
	if _, err := os.Stat(p); err != nil {
		t.Skipf("the shared folder has no %s", filepath.Join(elem...))
	}
	return p
}

// repository returns the nearest folder at or above the working directory that
// holds go.mod, or "".
func repository() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
