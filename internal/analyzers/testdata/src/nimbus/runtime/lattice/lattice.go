package lattice

import _ "github.com/tuneinsight/lattigo/v5/ring" // want `must not import lattigo: only runtime/he may`
