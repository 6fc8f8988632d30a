package drawn

import _ "math/rand"
