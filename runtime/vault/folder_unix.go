//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package vault

import (
	"os"
	"syscall"
)

// folder names the vault's folder: its inode, which no copy has.
func (v *Vault) folder() uint64 {
	info, err := os.Stat(v.dir)
	if err != nil {
		return 0
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	return uint64(st.Ino)
}

// lockFolder waits until no other process holds the lock; it ends with the
// process.
func lockFolder(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if err != syscall.EINTR {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// openFile opens a file, which can be deleted while it is open.
func openFile(path string) (file, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}
