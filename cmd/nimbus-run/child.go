package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"nimbus/runtime/transport/tls"
)

// A child is a server that runs as a process of its own: this program again.
type child struct {
	addr, fingerprint string

	cmd   *exec.Cmd
	stdin io.Closer
	log   tail
	done  chan error // how the process ended, once
	once  sync.Once
	err   error
}

// startTimeout bounds how long a server may load its weights.
const startTimeout = 5 * time.Minute

// startServer starts "nimbus-run serve" with args and waits until it listens.
func startServer(ctx context.Context, args ...string) (*child, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{done: make(chan error, 1)}
	c.cmd = exec.Command(exe, append([]string{"serve", "-until-eof"}, args...)...)
	c.cmd.Stderr = &c.log
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	line := make(chan string, 1)
	go func() {
		first, _ := bufio.NewReader(stdout).ReadString('\n')
		line <- first
		io.Copy(io.Discard, stdout)
		c.done <- c.cmd.Wait()
	}()
	select {
	case first := <-line:
		if _, err := fmt.Sscanf(first, "listening on %s fingerprint %s", &c.addr, &c.fingerprint); err != nil {
			c.stop()
			return nil, fmt.Errorf("the server did not start: %s", c.log.last())
		}
		return c, nil
	case <-ctx.Done():
		c.stop()
		return nil, ctx.Err()
	case <-time.After(startTimeout):
		c.stop()
		return nil, fmt.Errorf("the server did not start in %v: %s", startTimeout, c.log.last())
	}
}

// stop ends the server and waits for it. Further calls return what the first
// did.
func (c *child) stop() error {
	c.once.Do(func() {
		c.stdin.Close()
		select {
		case c.err = <-c.done:
		case <-time.After(grace + 5*time.Second):
			c.cmd.Process.Kill()
			c.err = errors.Join(errors.New("the server did not stop"), <-c.done)
		}
	})
	return c.err
}

// explain adds the server's own last words to an error that it may have
// caused.
func (c *child) explain(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	time.Sleep(100 * time.Millisecond) // for its log to arrive
	if last := c.log.last(); last != "" {
		return fmt.Errorf("%w (the server's last line: %s)", err, last)
	}
	return err
}

// tail keeps the last few kilobytes written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if over := len(t.buf) - 8<<10; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(b), nil
}

// last returns the last line.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(t.buf)), "\n")
	return lines[len(lines)-1]
}

// parties makes sure that a server's and a client's state folder below dir
// have identities.
func parties(dir string) (server, client string, serverID, clientID *tls.Identity, err error) {
	server, client = filepath.Join(dir, "server"), filepath.Join(dir, "client")
	if serverID, err = makeIdentity(server); err == nil {
		clientID, err = makeIdentity(client)
	}
	return server, client, serverID, clientID, err
}
