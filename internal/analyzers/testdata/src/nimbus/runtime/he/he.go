package he

import _ "github.com/tuneinsight/lattigo/v5/ring"
