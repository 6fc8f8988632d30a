package passes

import _ "math/rand/v2"
