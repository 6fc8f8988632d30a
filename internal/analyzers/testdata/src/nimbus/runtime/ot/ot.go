package ot

import "nimbus/runtime/share"

func Own(b share.Bool) bool { return b.V[0] == 1 }
