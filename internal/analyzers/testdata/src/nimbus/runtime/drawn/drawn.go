package drawn

import (
	_ "crypto/rand" // want `must not import crypto/rand: take a \*prg.PRG`
	_ "math/rand"   // want `must not import math/rand: take a \*prg.PRG`
)

import _ "math/rand/v2" // want `must not import math/rand/v2`
