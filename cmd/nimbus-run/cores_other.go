//go:build !linux

package main

import (
	"errors"
	"time"
)

// availableCPUs is unknown here.
func availableCPUs() []int { return nil }

func pin([]int) error { return errors.New("processes cannot be held to CPUs on this system") }

var started = time.Now()

// computed is the time so far: how much of it this process computed is unknown
// here.
func computed() time.Duration { return time.Since(started) }

func cpuModel() string { return "unknown processors" }
