//go:build !linux

package main

import "errors"

// availableCPUs is unknown here.
func availableCPUs() []int { return nil }

func pin([]int) error { return errors.New("processes cannot be held to CPUs on this system") }
