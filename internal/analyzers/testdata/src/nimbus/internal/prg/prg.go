package prg

import _ "crypto/rand"

type Seed [32]byte

type PRG struct{ seed Seed }

func (p *PRG) Seed() Seed { return p.seed }
